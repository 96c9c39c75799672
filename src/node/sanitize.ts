/** Sanitises text from nodes, which is untrusted and may contain secrets. */
import { redactSecrets } from '../domain/shared/redact';
import { plainLines } from '../domain/shared/text';

/** Maximum log tail in an error. */
export const MAX_TAIL_BYTES = 8 * 1024;

/** Several lines of output, safe to show: no control characters except line feeds and tabs, no credentials. */
export function cleanOutput(text: string): string {
  return redactSecrets(plainLines(text));
}

/** The last `maxBytes` of sanitised output, from the start of a line if possible. */
export function outputTail(text: string, maxBytes: number = MAX_TAIL_BYTES): string {
  const clean = Buffer.from(cleanOutput(text).trimEnd());
  if (clean.length <= maxBytes) return clean.toString();
  const tail = clean.subarray(clean.length - maxBytes).toString();
  const line = tail.indexOf('\n');
  return line === -1 ? tail.replace(/^\uFFFD+/, '') : tail.slice(line + 1);
}

/**
 * The text from its first complete line on: secrets in a truncated line cannot be recognised. Empty when there is only
 * one line.
 */
export function wholeLines(tail: string): string {
  const line = tail.indexOf('\n');
  return line === -1 ? '' : tail.slice(line + 1);
}
