import { isAlias, isMap, isNode, isScalar, isSeq, LineCounter, parseAllDocuments, visit } from 'yaml';
import type { Document, Node, Pair } from 'yaml';
import { printable, show } from '../../domain/spec/issues';
import type { SpecIssue, SpecPath } from '../../domain/spec/issues';
import { openQuoteBefore } from './open-quote';

export interface Position {
  line: number;
  column: number;
}

/** One YAML document of a file: its plain value, and the positions of its parts. */
export interface SpecDocument {
  value: unknown;
  /** The document has a syntax error; its value is only used to find further mistakes. */
  isBroken: boolean;
  locate(path: SpecPath, at: SpecIssue['at']): Position;
}

export interface YamlProblem extends Position {
  severity: 'error' | 'warning';
  message: string;
}

// Aliases may repeat nodes, and nested aliases make a small file expand exponentially.
const MAX_ALIASES = 100;

/** The documents of a YAML text; empty ones are skipped, malformed ones are problems. */
export function parseDocuments(text: string): { documents: SpecDocument[]; problems: YamlProblem[] } {
  const lines = new LineCounter();
  const parsed = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error' });
  const documents: SpecDocument[] = [];
  const problems: YamlProblem[] = [];
  const positionOf = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  // For an empty text, parseAllDocuments returns a list without documents but with the errors of an empty stream.
  for (const document of Array.isArray(parsed) ? parsed : []) {
    for (const { message, pos } of document.warnings) {
      problems.push({ severity: 'warning', ...positionOf(pos[0]), message: `YAML: ${oneLine(message)}` });
    }
    // One syntax error often causes others, so only the first is reported; duplicate keys are independent.
    const duplicates = document.errors.filter(({ code }) => code === 'DUPLICATE_KEY');
    const other = document.errors.find(({ code }) => code !== 'DUPLICATE_KEY');
    for (const { code, message, pos } of other === undefined ? duplicates : [other]) {
      const quote = code === 'DUPLICATE_KEY' ? null : openQuoteBefore(text, pos[0]);
      const isUnclosed = quote !== null && code === 'MISSING_CHAR';
      const place = positionOf(isUnclosed ? quote : pos[0]);
      const why =
        code === 'DUPLICATE_KEY'
          ? describeDuplicate(document, pos[0], positionOf)
          : isUnclosed
            ? 'the quote that opens here is not closed'
            : oneLine(message);
      const hint =
        quote === null || isUnclosed ? '' : `; perhaps the quote of line ${positionOf(quote).line} is not closed`;
      problems.push({ severity: 'error', ...place, message: notYaml(`${why}${hint}`) });
    }
    if (other !== undefined || isEmpty(document)) continue;
    try {
      const value: unknown = document.toJS({ maxAliasCount: MAX_ALIASES });
      const isBroken = duplicates.length > 0;
      documents.push({ value, isBroken, locate: (path, at) => positionOf(offsetOf(document, path, at)) });
    } catch (error) {
      const place = positionOf(document.contents?.range?.[0] ?? 0);
      const message = notYaml(oneLine(error instanceof Error ? error.message : String(error)));
      problems.push({ severity: 'error', ...place, message });
    }
  }
  return { documents, problems };
}

function notYaml(why: string): string {
  return `not valid YAML: ${why}`;
}

/** Names the key at `offset` that occurs earlier in the same mapping. */
function describeDuplicate(document: Document.Parsed, offset: number, positionOf: (offset: number) => Position) {
  let message = 'a key comes twice in one mapping; remove one of the two';
  visit(document, {
    Map: (_, { items }) => {
      const key = items.map((pair) => pair.key).find((one) => isScalar(one) && one.range?.[0] === offset);
      if (!isScalar(key)) return undefined;
      const first = findPair(items, String(key.value))?.key;
      const line = isScalar(first) && first !== key ? ` (first in line ${positionOf(first.range?.[0] ?? 0).line})` : '';
      message = `the key ${show(String(key.value))} comes twice${line}; remove one of the two`;
      return visit.BREAK;
    },
  });
  return message;
}

function isEmpty(document: Document.Parsed): boolean {
  const { contents } = document;
  return contents === null || (isScalar(contents) && contents.value === null);
}

function oneLine(message: string): string {
  return printable(message.replace(/\s+/g, ' ')).trim().replace(/[.:]$/, '');
}

function offsetOf(document: Document.Parsed, path: SpecPath, at: SpecIssue['at']): number {
  let node: Node | null = document.contents;
  let offset = node?.range?.[0] ?? 0;
  for (const [index, part] of path.entries()) {
    const isLast = index === path.length - 1;
    node = resolve(document, node);
    if (isSeq(node) && typeof part === 'number') {
      const item: unknown = node.items[part];
      node = isNode(item) ? item : null;
      offset = node?.range?.[0] ?? offset;
      continue;
    }
    const pair = isMap(node) ? findPair(node.items, part) : undefined;
    if (pair === undefined) return offset;
    node = isNode(pair.value) ? pair.value : null;
    const key = isNode(pair.key) ? pair.key.range?.[0] : undefined;
    const hasValue = node !== null && !(isScalar(node) && node.value === null && node.source === '');
    if ((isLast && at === 'key') || !hasValue) offset = key ?? offset;
    else offset = node?.range?.[0] ?? offset;
  }
  return offset;
}

function resolve(document: Document.Parsed, node: Node | null): Node | null {
  return isAlias(node) ? (node.resolve(document) ?? null) : node;
}

function findPair(items: Pair[], key: string | number): Pair | undefined {
  return items.find((pair) => isScalar(pair.key) && String(pair.key.value) === String(key));
}
