/** Tables and fields in columns. On a terminal lines are limited to its width; elsewhere a row is one line. */
import type { Colors } from '../io/output';
import { padTo, textWidth, wrapText } from './columns';

export type { Colors } from '../io/output';

const GAP = '  ';
const LONG_WORD = 24;

/**
 * A table without borders; the cells must be safe text. No line ends in spaces. On a narrow terminal, empty columns are
 * dropped and cells wrapped between words; if necessary, the columns of `spare` are dropped one by one, with a note
 * below the table; finally, each row becomes lines of `Title value`.
 */
export function renderTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  color: Colors,
  spare: readonly string[] = [],
): string {
  const titles = head.map((title) => color.bold(title));
  const natural = naturalWidths([titles, ...rows]);
  const room = color.columns ?? Infinity;
  if (totalOf(natural) <= room) return renderRows([titles, ...rows], natural);
  const filled = head.flatMap((_, column) => (rows.some((row) => (row[column] ?? '') !== '') ? [column] : []));
  const leftOut = spare.filter((title) => filled.includes(head.indexOf(title)));
  let crowded: string | null = null;
  for (let count = 0; count <= leftOut.length; count += 1) {
    const missing = leftOut.slice(0, count);
    const kept = filled.filter((column) => !missing.includes(head[column] ?? ''));
    const all = [titles, ...rows].map((row) => kept.map((column) => row[column] ?? ''));
    const widths = narrowedWidths(all, room);
    if (widths === null) continue;
    const table = [renderRows(all, widths), ...noteOf(missing, room)].join('\n');
    // The last column has the sentences, which nobody can read word by word.
    const last = Math.min(LONG_WORD, naturalWidths(all).at(-1) ?? 0);
    if ((widths.at(-1) ?? 0) >= last) return table;
    crowded ??= table;
  }
  if (crowded !== null) return crowded;
  return rows.map((row) => renderFields(zip(head, row), color)).join('\n\n');
}

function noteOf(missing: readonly string[], room: number): string[] {
  return missing.length === 0 ? [] : wrapText(`left out in ${room} columns: ${missing.join(', ')}`, room);
}

/**
 * `Name   value` lines with aligned names; a long value continues on lines below, and one with a word too long for the room
 * beside its name stands below the name.
 */
export function renderFields(fields: readonly (readonly [name: string, value: string])[], color: Colors): string {
  const width = Math.max(0, ...fields.map(([name]) => name.length));
  const rest = color.columns === undefined ? Infinity : Math.max(1, color.columns - width - GAP.length);
  return fields
    .map(([name, value]) => {
      const isTooLong = rest !== Infinity && widest([[value]], 0, (text) => text.split(/\s+/)) > rest;
      return isTooLong ? renderBelow(name, value, color) : renderRow([color.bold(name), value], [width, rest]);
    })
    .join('\n');
}

function renderBelow(name: string, value: string, color: Colors): string {
  const room = Math.max(1, (color.columns ?? Infinity) - GAP.length);
  return [color.bold(name), ...wrapText(value, room).map((line) => `${GAP}${line}`)].join('\n');
}

/**
 * Column widths that fit into `room`: the widest columns shrink first, none below its longest word. Null when that is
 * not enough.
 */
function narrowedWidths(rows: readonly (readonly string[])[], room: number): readonly number[] | null {
  const natural = naturalWidths(rows);
  const least = natural.map((_, column) => narrowest(rows, column));
  if (totalOf(least) > room) return null;
  let limit = Math.max(...natural);
  const narrowed = (): number[] => natural.map((width, column) => Math.max(least[column] ?? 0, Math.min(width, limit)));
  while (totalOf(narrowed()) > room) limit -= 1;
  return narrowed();
}

function renderRows(rows: readonly (readonly string[])[], widths: readonly number[]): string {
  return rows.map((row) => renderRow(row, widths)).join('\n');
}

/** One row, with as many lines as its longest cell needs. */
function renderRow(cells: readonly string[], widths: readonly number[]): string {
  const wrapped = cells.map((cell, column) => wrapText(cell, widths[column] ?? Infinity));
  const height = Math.max(1, ...wrapped.map((lines) => lines.length));
  return Array.from({ length: height }, (_, line) =>
    wrapped
      .map((lines, column) => padTo(lines[line] ?? '', column === cells.length - 1 ? 0 : (widths[column] ?? 0)))
      .join(GAP)
      .trimEnd(),
  ).join('\n');
}

function naturalWidths(rows: readonly (readonly string[])[]): number[] {
  return (rows[0] ?? []).map((_, column) => widest(rows, column, (cell) => cell.split('\n')));
}

/**
 * The longest word; names are never broken, but in the last column a very long word, such as a path, may exceed the
 * width.
 */
function narrowest(rows: readonly (readonly string[])[], column: number): number {
  if (column === 0) return widest(rows, column, (cell) => cell.split('\n'));
  const longest = widest(rows, column, (cell) => wrapText(cell, 1));
  return column === (rows[0]?.length ?? 0) - 1 ? Math.min(longest, LONG_WORD) : longest;
}

function widest(rows: readonly (readonly string[])[], column: number, partsOf: (cell: string) => string[]): number {
  let width = 0;
  for (const row of rows) {
    for (const part of partsOf(row[column] ?? '')) width = Math.max(width, textWidth(part));
  }
  return width;
}

function totalOf(widths: readonly number[]): number {
  return widths.reduce((total, width) => total + width, 0) + GAP.length * (widths.length - 1);
}

function zip(head: readonly string[], row: readonly string[]): [string, string][] {
  return head.map((title, column): [string, string] => [title, row[column] ?? '']).filter(([, value]) => value !== '');
}
