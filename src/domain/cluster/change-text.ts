/** The changes of a spec in one clause, for the log of events. */
import type { SpecChange } from '../spec/diff';

const MAX_SHOWN = 5;

/**
 * Fields whose values are numbers, choices and durations. Others may name machines and accounts, and only their names are kept;
 * the names of nodes stand in every path.
 */
const WITH_VALUES = /^patching\.|^nodes\[[^\]]*\]\.name$/;

/** `2 fields changed: patching.rollout.concurrency 1 -> 3, nodes[w-4] added`. */
export function changesText(changes: readonly SpecChange[]): string {
  const shown = changes.slice(0, MAX_SHOWN).map(changeText);
  const more = changes.length > MAX_SHOWN ? `, and ${changes.length - MAX_SHOWN} more` : '';
  return `${changes.length} field${changes.length === 1 ? '' : 's'} changed: ${shown.join(', ')}${more}`;
}

function changeText({ path, before, after }: SpecChange): string {
  if (before === undefined) return `${path}${valueText(path, after, ' ')} added`;
  if (after === undefined) return `${path} removed`;
  const [old, now] = [valueText(path, before, ''), valueText(path, after, '')];
  return old === '' || now === '' ? path : `${path} ${old} -> ${now}`;
}

function valueText(path: string, value: unknown, lead: string): string {
  const isShort =
    typeof value === 'number' || typeof value === 'boolean' || (typeof value === 'string' && value.length <= 40);
  return WITH_VALUES.test(path) && isShort ? `${lead}${String(value)}` : '';
}
