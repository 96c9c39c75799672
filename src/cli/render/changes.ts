/** What a spec changes, one line per field. */
import type { SpecChange } from '../../domain/messages';
import { oneLine } from './text';

/** More rows than this hide what matters; the rest is counted. */
const MAX_ROWS = 20;
const MAX_VALUE = 80;

/** `  patching.schedule.preset: weekly -> monthly` for each change, at most 20, then how many more. */
export function renderChanges(changes: readonly SpecChange[]): string[] {
  const hidden = changes.length - MAX_ROWS;
  // One row more is no longer than the line that would say so.
  const shown = hidden > 1 ? changes.slice(0, MAX_ROWS) : changes;
  const rest = changes.length - shown.length;
  return [...shown.map((change) => `  ${renderChange(change)}`), ...(rest > 0 ? [`  and ${rest} more changes`] : [])];
}

function renderChange({ path, before, after }: SpecChange): string {
  const name = oneLine(path, 120);
  if (isAbsent(before)) return `${name}: added ${show(after)}`;
  if (isAbsent(after)) return `${name}: removed (was ${show(before)})`;
  if (isSchedule(before) && isSchedule(after)) return renderSchedule(name, before, after);
  return `${name}: ${show(before)} -> ${show(after)}`;
}

/** A schedule changes as a whole, but people look for the part that did. */
function renderSchedule(name: string, before: Record<string, unknown>, after: Record<string, unknown>): string {
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  const changed = keys.filter((key) => JSON.stringify(before[key]) !== JSON.stringify(after[key]));
  const [key] = changed;
  if (key === undefined || changed.length > 1 || isAbsent(before[key]) || isAbsent(after[key])) {
    return `${name}: ${show(before)} -> ${show(after)}`;
  }
  return `${name}.${key}: ${show(before[key])} -> ${show(after[key])}`;
}

function show(value: unknown): string {
  if (typeof value === 'string') return oneLine(value, MAX_VALUE);
  if (typeof value === 'object' && value !== null && 'host' in value) return `host ${show(value.host)}`;
  return oneLine(JSON.stringify(value)?.replaceAll('"', '') ?? 'nothing', MAX_VALUE);
}

function isSchedule(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && 'startWithin' in value;
}

/** JSON turns what is not there into null or leaves it out. */
function isAbsent(value: unknown): boolean {
  return value === undefined || value === null;
}
