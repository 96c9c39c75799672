/** Where the quote opens that a YAML error is about: the error itself is only noticed at the next quote, or at the end. */
import { Lexer } from 'yaml';

/** Marks between the tokens of the lexer, which stand for no text. */
const MARKS = new Set(['\u0002', '\u0018', '\u001f']);

/** Offset of the last quoted text that begins before `error` and is not closed, or only in a later line; null when there is none. */
export function openQuoteBefore(text: string, error: number): number | null {
  let offset = 0;
  let found: number | null = null;
  for (const token of new Lexer().lex(text)) {
    if (MARKS.has(token)) continue;
    if (offset >= error && offset > 0) break;
    if (/^["']/.test(token) && (token.includes('\n') || token.length === 1 || !token.endsWith(token.charAt(0))))
      found = offset;
    offset += token.length;
  }
  return found;
}
