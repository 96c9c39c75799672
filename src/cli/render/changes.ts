/** Changes of a spec, one line per field. */
import type { SpecChange } from '../../domain/spec/diff';
import type { Colors } from './table';
import { oneLine } from './text';

/** On a terminal more rows obscure the important ones; the rest is counted. */
const MAX_ROWS = 20;
const MAX_VALUE = 80;
/** Characters before the first difference. */
const SAME_SHOWN = 20;

const RENAMED = /^nodes\[[^\]]*\]\.name$/;

const KINDS = ['preset', 'custom', 'cron', 'once'];

/**
 * `  ~ patching.schedule.preset: weekly -> monthly` for each change, `+` added and `-` removed. On a terminal at most 20, then
 * how many more; in a pipe all, in full.
 */
export function renderChanges(changes: readonly SpecChange[], color: Colors): string[] {
  const rows = changes.flatMap(intoParts);
  const isTerminal = color.columns !== undefined;
  const hidden = isTerminal ? rows.length - MAX_ROWS : 0;
  // One more row is no longer than the line with the count.
  const shown = hidden > 1 ? rows.slice(0, MAX_ROWS) : rows;
  const rest = rows.length - shown.length;
  const width = isTerminal ? MAX_VALUE : Infinity;
  return [
    ...shown.map((change) => `  ${renderChange(change, color, width)}`),
    ...(rest > 0 ? [`  and ${rest} more changes`] : []),
  ];
}

/** The number of rows without a limit. */
export function countChanges(changes: readonly SpecChange[]): number {
  return changes.flatMap(intoParts).length;
}

function renderChange({ path, before, after }: SpecChange, color: Colors, width: number): string {
  const name = oneLine(path, Math.max(width, 120));
  if (isAbsent(before)) return color.green(`+ ${name}: ${show(after, width)}`);
  if (isAbsent(after)) return color.red(`- ${name}: ${show(before, width)}`);
  const [old, now] = showBoth(before, after, width);
  const note = RENAMED.test(path) ? ' (the same machine)' : '';
  return `${color.yellow('~')} ${name}: ${old} -> ${now}${note}`;
}

/** What is too long begins a little before the first difference: two values that look the same are no change. */
function showBoth(before: unknown, after: unknown, width: number): [string, string] {
  const [old, now] = [show(before, Infinity), show(after, Infinity)];
  const short = (text: string): string => oneLine(text, width);
  if (short(old) !== short(now)) return [short(old), short(now)];
  let same = 0;
  while (same < old.length && old[same] === now[same]) same += 1;
  const from = Math.max(0, same - SAME_SHOWN);
  return [short(`…${old.slice(from)}`), short(`…${now.slice(from)}`)];
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

function show(value: unknown, width: number): string {
  if (typeof value === 'string') return oneLine(value, width);
  if (typeof value === 'object' && value !== null && 'host' in value) return oneLine(nodeText(value), width);
  return oneLine(JSON.stringify(value)?.replaceAll('"', '') ?? 'nothing', width);
}

/** Of a node that comes or goes, what makes it another one than the rest. */
function nodeText(node: { host: unknown; ssh?: unknown; role?: unknown; zone?: unknown }): string {
  const { role, zone } = node;
  const more = [...(role === 'control-plane' ? [role] : []), ...(typeof zone === 'string' ? [`zone ${zone}`] : [])];
  return [`host ${addressOf(node)}`, ...more].join(', ');
}

function addressOf({ host, ssh }: { host: unknown; ssh?: unknown }): string {
  const port = typeof ssh === 'object' && ssh !== null && 'port' in ssh ? ssh.port : undefined;
  return typeof port !== 'number' || port === 22 ? String(host) : `${String(host)} port ${port}`;
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
