/** How many members are in which state. */
import type { MemberStatus } from '../../domain/cluster/member';
import type { NodeState } from '../../domain/node/status';

/** In progress, then needing attention, then upcoming, then fine. */
export const STATE_ORDER: readonly NodeState[] = [
  'patching',
  'failed',
  'not-tried',
  'reboot-pending',
  'restart-pending',
  'skipped',
  'waiting',
  'unknown',
  'patched',
  'up-to-date',
];

/** `2 patched, 1 waiting`, in the order of the states. */
export function countStates(nodes: readonly MemberStatus[]): string {
  const counts = new Map<NodeState, number>();
  for (const { state } of nodes) counts.set(state, (counts.get(state) ?? 0) + 1);
  return STATE_ORDER.flatMap((state) => (counts.has(state) ? [`${counts.get(state)} ${state}`] : [])).join(', ');
}
