/** The sentence above a status: what is wrong or what is next, since when, and the command for it. */
import type { StatusLine } from '../../domain/explain/explanation';
import type { LineSeverity } from '../../domain/shared/severity';
import { moreLines } from '../../domain/explain/status-line';
import { wrapText } from './columns';
import type { StatusView } from './member-cells';
import type { Colors } from './table';
import { formatElapsed, formatTime, oneLine } from './text';

const INDENT = '  ';
const MAX_SENTENCE = 700;

type View = Pick<StatusView, 'now' | 'zone' | 'color' | 'isWatched'>;

/** The first line whole, with the next command below, and what else there is in short. */
export function renderStatusLine(lines: readonly StatusLine[], view: View): string {
  const { color, isWatched = false } = view;
  const [first, ...rest] = lines;
  if (first === undefined) return '';
  const columns = color.columns ?? Infinity;
  const next = first.change.find((command) => !isWatched || !command.endsWith(' --watch'));
  const more = moreLines(rest);
  return [
    ...wrapText(paint(first.severity, color)(statusSentence(first, view)), columns),
    ...(next === undefined ? [] : below('next:', next, color)),
    ...(more === null ? [] : below('also:', more, color)),
  ].join('\n');
}

/** `w-2 failed: no route to host, since 2026-11-29 00:00:05 (2h5m)`. */
export function statusSentence(
  { what, because, since, until }: StatusLine,
  { now, zone }: Pick<View, 'now' | 'zone'>,
): string {
  const begun = since === null ? '' : `, since ${formatTime(since, zone)} (${formatElapsed(since, now)})`;
  const end = until === null ? '' : `, until ${formatTime(until, zone)}`;
  return `${oneLine(what)}: ${oneLine(because, MAX_SENTENCE)}${begun}${end}`;
}

/** The colour of a finding or of a line of a status. */
export function paint(severity: LineSeverity, color: Colors): (text: string) => string {
  switch (severity) {
    case 'error':
      return color.red;
    case 'warning':
      return color.yellow;
    case 'active':
      return color.cyan;
    case 'ok':
      return color.green;
  }
}

function below(name: string, text: string, color: Colors): string[] {
  const room = (color.columns ?? Infinity) - INDENT.length;
  return wrapText(`${color.bold(name)} ${oneLine(text, MAX_SENTENCE)}`, room).map((line) => `${INDENT}${line}`);
}
