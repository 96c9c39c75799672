import type { CliContext } from './context';
import { colors, print } from './output';
import { formatClock, oneLine, ownZone } from '../render/text';

const PINO_WARN = 40;
const PINO_ERROR = 50;
// Fields that are equal in every line, or meant for machines, as in audit lines.
const HIDDEN_FIELDS: readonly string[] = [
  ...['level', 'time', 'pid', 'hostname', 'msg', 'audit', 'token'],
  ...['startedAt', 'endedAt', 'appliedAt'],
];

/** Formats the JSON log lines of a worker for a terminal: time, message, and the relevant fields. */
export function prettyLog(context: CliContext): { write(line: string): void } {
  const color = colors(context);
  const zone = ownZone();
  return {
    write: (line) => {
      const fields = parse(line);
      if (fields === null) return print(context, oneLine(line, 2_000));
      const level = Number(fields['level']);
      const what = oneLine(String(fields['msg']), 500);
      const paint = level >= PINO_ERROR ? color.red : level >= PINO_WARN ? color.yellow : (text: string) => text;
      print(context, `${formatClock(Number(fields['time']), zone)} ${paint(what)}${color.dim(details(fields))}`);
    },
  };
}

function parse(line: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

/** `  cluster=prod-eu node=w-1`; structured values are only in the JSON log. */
function details(fields: Record<string, unknown>): string {
  return Object.entries(fields)
    .filter(([key, value]) => !HIDDEN_FIELDS.includes(key) && ['string', 'number', 'boolean'].includes(typeof value))
    .map(([key, value]) => `  ${oneLine(key, 40)}=${oneLine(String(value), 80)}`)
    .join('');
}
