/** Output of `replay`: each history that fails with its reason, then the count. */
import type { Colors } from './table';
import { oneLine } from './text';
import { plural } from '../../domain/shared/plural';

const MAX_REASON = 600;

export interface ReplayedHistory {
  name: string;
  workflowType: string;
  /** Null: the code replays the history. */
  failure: string | null;
}

export function renderReplay(replayed: readonly ReplayedHistory[], version: string, color: Colors): string {
  const failed = replayed.filter(({ failure }) => failure !== null);
  const lines = failed.map(({ name, failure }) => `${color.red(oneLine(name))}: ${oneLine(failure, MAX_REASON)}`);
  const total = `${plural(replayed.length, 'history').replace(/historys$/, 'histories')} (${describeTypes(replayed)})`;
  const summary =
    failed.length === 0
      ? `ospatch ${version} can replay all of ${total}`
      : `ospatch ${version} cannot replay ${failed.length} of ${total}`;
  return [...lines, ...(lines.length === 0 ? [] : ['']), summary].join('\n');
}

/** `2 cluster, 1 patchNode`: workflow types as shown in the Temporal UI. */
function describeTypes(replayed: readonly ReplayedHistory[]): string {
  const counts = new Map<string, number>();
  for (const { workflowType } of replayed) counts.set(workflowType, (counts.get(workflowType) ?? 0) + 1);
  return [...counts]
    .sort(([, a], [, b]) => b - a)
    .map(([type, count]) => `${count} ${oneLine(type)}`)
    .join(', ');
}
