import Table from 'cli-table3';
import type { colors } from '../io/output';

/** The colours of one stream; they do nothing where colours are not wanted. */
export type Colors = ReturnType<typeof colors>;

const NO_BORDERS = {
  ...{ top: '', 'top-mid': '', 'top-left': '', 'top-right': '' },
  ...{ bottom: '', 'bottom-mid': '', 'bottom-left': '', 'bottom-right': '' },
  ...{ left: '', 'left-mid': '', mid: '', 'mid-mid': '', right: '', 'right-mid': '', middle: '  ' },
};

/** Columns without borders, headed; the cells are safe text already. No line ends in spaces. */
export function renderTable(head: readonly string[], rows: readonly (readonly string[])[], color: Colors): string {
  const table = new Table({
    head: head.map((title) => color.bold(title)),
    chars: NO_BORDERS,
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [], compact: true },
  });
  table.push(...rows.map((row) => [...row]));
  return trimEnds(table.toString());
}

/** `Name   value` lines, the names aligned. */
export function renderFields(fields: readonly (readonly [name: string, value: string])[], color: Colors): string {
  const width = Math.max(0, ...fields.map(([name]) => name.length));
  return fields.map(([name, value]) => `${color.bold(name.padEnd(width))}  ${value}`).join('\n');
}

function trimEnds(text: string): string {
  return text
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}
