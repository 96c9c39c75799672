/** Changes of a spec, one line per field. */
import type { SpecChange } from '../../domain/spec/diff';
import { oneLine } from './text';

/** More rows obscure the important ones; the rest is counted. */
const MAX_ROWS = 20;
const MAX_VALUE = 80;

const KINDS = ['preset', 'custom', 'cron', 'once'];

/** `  patching.schedule.preset: weekly -> monthly` for each change, at most 20, then how many more. */
export function renderChanges(changes: readonly SpecChange[]): string[] {
  const rows = changes.flatMap(intoParts);
  const hidden = rows.length - MAX_ROWS;
  // One more row is no longer than the line with the count.
  const shown = hidden > 1 ? rows.slice(0, MAX_ROWS) : rows;
  const rest = rows.length - shown.length;
  return [...shown.map((change) => `  ${renderChange(change)}`), ...(rest > 0 ? [`  and ${rest} more changes`] : [])];
}

function renderChange({ path, before, after }: SpecChange): string {
  const name = oneLine(path, 120);
  if (isAbsent(before)) return `${name}: added ${show(after)}`;
  if (isAbsent(after)) return `${name}: removed (was ${show(before)})`;
  return `${name}: ${show(before)} -> ${show(after)}`;
}

/** A schedule is compared as a whole; if the kinds of its entries are unchanged, the changed parts are shown. */
function intoParts(change: SpecChange): SpecChange[] {
  const { path, before, after } = change;
  if (isList(before) && isList(after) && before.length === after.length && [...before, ...after].every(isSchedule)) {
    const entries = before.map((entry, at) => ({
      path: before.length === 1 ? path : `${path}[${at}]`,
      before: entry,
      after: after[at],
    }));
    return entries.filter((one) => JSON.stringify(one.before) !== JSON.stringify(one.after)).flatMap(intoParts);
  }
  if (!isSchedule(before) || !isSchedule(after) || !KINDS.some((kind) => kind in before && kind in after))
    return [change];
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return keys
    .filter((key) => JSON.stringify(before[key]) !== JSON.stringify(after[key]))
    .map((key) => ({ path: `${path}.${key}`, before: before[key], after: after[key] }));
}

function show(value: unknown): string {
  if (typeof value === 'string') return oneLine(value, MAX_VALUE);
  if (typeof value === 'object' && value !== null && 'host' in value) return `host ${show(value.host)}`;
  return oneLine(JSON.stringify(value)?.replaceAll('"', '') ?? 'nothing', MAX_VALUE);
}

function isSchedule(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && 'startWithin' in value;
}

function isList(value: unknown): value is unknown[] {
  return Array.isArray(value);
}

/** JSON turns undefined into null or omits it. */
function isAbsent(value: unknown): boolean {
  return value === undefined || value === null;
}
