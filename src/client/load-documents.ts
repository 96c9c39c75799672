import { isAlias, isMap, isNode, isScalar, isSeq, LineCounter, parseAllDocuments } from 'yaml';
import type { Document, Node, Pair } from 'yaml';
import { printable } from '../domain/spec-issues';
import type { SpecIssue, SpecPath } from '../domain/spec-issues';

export interface Position {
  line: number;
  column: number;
}

/** One YAML document of a file: its plain value, and where each part of it stands. */
export interface SpecDocument {
  value: unknown;
  locate(path: SpecPath, at: SpecIssue['at']): Position;
}

export interface YamlProblem extends Position {
  severity: 'error' | 'warning';
  message: string;
}

// An alias may repeat a node; many levels of that make a small file expand without end.
const MAX_ALIASES = 100;

/** The documents of a YAML text; empty ones are passed over, broken ones are problems. */
export function parseDocuments(text: string): { documents: SpecDocument[]; problems: YamlProblem[] } {
  const lines = new LineCounter();
  const parsed = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false });
  const documents: SpecDocument[] = [];
  const problems: YamlProblem[] = [];
  const positionOf = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  // parseAllDocuments gives a list without documents, but with the errors of an empty stream, for an empty text.
  for (const document of Array.isArray(parsed) ? parsed : []) {
    for (const { message, pos } of document.warnings) {
      problems.push({ severity: 'warning', ...positionOf(pos[0]), message: `YAML: ${oneLine(message)}` });
    }
    // One mistake in the syntax often drags others behind it, so only the first is told; double keys are independent.
    const duplicates = document.errors.filter(({ code }) => code === 'DUPLICATE_KEY');
    const other = document.errors.find(({ code }) => code !== 'DUPLICATE_KEY');
    for (const { message, pos } of other === undefined ? duplicates : [other]) {
      problems.push({ severity: 'error', ...positionOf(pos[0]), message: `not valid YAML: ${oneLine(message)}` });
    }
    if (other !== undefined || isEmpty(document)) continue;
    try {
      const value: unknown = document.toJS({ maxAliasCount: MAX_ALIASES });
      documents.push({ value, locate: (path, at) => positionOf(offsetOf(document, path, at)) });
    } catch (error) {
      const message = `not valid YAML: ${oneLine(error instanceof Error ? error.message : String(error))}`;
      problems.push({ severity: 'error', ...positionOf(document.contents?.range?.[0] ?? 0), message });
    }
  }
  return { documents, problems };
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
