import type { ApplyOutcome } from '../commands/apply/plan';
import { countChanges, renderChanges } from './changes';
import { renderClusterError } from './cluster-error';
import type { Colors } from './table';
import { oneLine } from './text';
import { plural } from '../../domain/shared/plural';

/** `prod-eu updated` and the changed fields; `would be` for a dry run. */
export function renderApply(outcome: ApplyOutcome, dryRun: boolean, color: Colors): string[] {
  const { cluster, result, changes, notice } = outcome;
  if (result === 'failed') return [];
  const word = dryRun && result !== 'unchanged' ? `would be ${result}` : result;
  const count = changes.length === 0 ? '' : ` (${plural(countChanges(changes), 'change')})`;
  const paint = result === 'unchanged' ? (text: string) => text : color.green;
  return [
    `${cluster} ${paint(word)}${count}`,
    ...renderChanges(changes, color),
    ...(notice === null ? [] : [`  note: ${oneLine(notice, 500)}`]),
  ];
}

/** The error of one cluster, for standard error. */
export function renderApplyError({ cluster, error }: ApplyOutcome, color: Colors): string[] {
  return error === null ? [] : renderClusterError(cluster, error, color);
}
