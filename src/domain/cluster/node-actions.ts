/** What was done to a node, or could not be, through another workflow than the cluster's, which keeps it among its events. */
import { UNKNOWN_SENDER } from './messages';
import { defined } from '../shared/defined';
import { plainText } from '../shared/text';
import type { ClusterState } from './state';
import { isNode, transition } from './member';
import { note } from './state';

const REQUESTS = ['release', 'uncordon', 'silence'] as const;

export interface NodeAction {
  request: (typeof REQUESTS)[number];
  node: string;
  run?: number;
  by?: string;
  reason?: string;
  /** What came of it, in one clause. */
  result: string;
}

/** Parses the argument of the signal; null when malformed. */
export function parseNodeAction(value: unknown): NodeAction | null {
  if (typeof value !== 'object' || value === null) return null;
  const { request, node, run, by, reason, result } = value as Record<string, unknown>;
  const known = REQUESTS.find((one) => one === request);
  if (known === undefined || typeof node !== 'string' || typeof result !== 'string') return null;
  return {
    ...{ request: known, node: plainText(node, 253), result: plainText(result, 300) },
    ...defined({
      run: typeof run === 'number' && Number.isSafeInteger(run) ? run : undefined,
      by: typeof by === 'string' ? by : undefined,
      reason: typeof reason === 'string' ? reason : undefined,
    }),
  };
}

/** Records the action at `now` (ISO 8601). */
export function noteNodeAction(
  state: ClusterState,
  { by = UNKNOWN_SENDER, reason = null, ...action }: Omit<NodeAction, 'reason'> & { reason?: string | null },
  now: string,
): void {
  const { request, run, node, result } = action;
  if (request === 'silence') {
    if (run !== undefined) note(state, { kind: 'silence-failed', run, node, message: result }, now);
    return;
  }
  note(state, { kind: 'action', by, reason, ...action }, now);
  if (action.request !== 'uncordon') return;
  state.nodes = state.nodes.map((node) =>
    isNode(node) && node.name === action.node && node.cordonedAt !== undefined
      ? transition(node, { kind: 'uncordoned' })
      : node,
  );
}
