/** Which nodes of a large cluster are listed: those in work, and those that somebody should look at. */
import type { LiveNode } from '../../domain/explain/explanation';
import type { MemberStatus } from '../../domain/cluster/member';
import { isNode } from '../../domain/cluster/member';
import type { NodeState } from '../../domain/node/status';
import { isLost, lockAt } from '../../domain/node/status';

/** In a cluster of at most so many, every node is listed. */
export const FEW_NODES = 25;

/** So many of each kind. */
const MAX_PER_KIND = 10;

export interface Listed {
  nodes: MemberStatus[];
  /** `37 more failed`, for each kind of which there are more. */
  more: string[];
  /** Nodes of no kind, which are not listed. */
  others: number;
}

/** The kinds in the order in which they are listed. */
const KINDS = [
  'lost',
  'failed',
  'in work',
  'waiting for another workflow',
  'locked',
  'not-tried',
  'reboot-pending',
  'restart-pending',
  'skipped',
] as const;
type Kind = (typeof KINDS)[number];

export function listedNodes(
  nodes: readonly MemberStatus[],
  live: ReadonlyMap<string, LiveNode>,
  nowMs: number,
): Listed {
  const byKind = new Map<Kind, MemberStatus[]>(KINDS.map((kind) => [kind, []]));
  let others = 0;
  for (const node of nodes) {
    const kind = kindOf(node, live.get(node.name), nowMs);
    if (kind === null) others += 1;
    else byKind.get(kind)?.push(node);
  }
  const kinds = [...byKind];
  return {
    nodes: kinds.flatMap(([, members]) => members.slice(0, MAX_PER_KIND)),
    more: kinds.flatMap(([kind, { length }]) =>
      length > MAX_PER_KIND ? [`${length - MAX_PER_KIND} more ${kind}`] : [],
    ),
    others,
  };
}

const KIND_OF_STATE: Partial<Record<NodeState, Kind>> = {
  patching: 'in work',
  failed: 'failed',
  'not-tried': 'not-tried',
  'reboot-pending': 'reboot-pending',
  'restart-pending': 'restart-pending',
  skipped: 'skipped',
};

function kindOf(node: MemberStatus, live: LiveNode | undefined, nowMs: number): Kind | null {
  if (isNode(node) && isLost(node)) return 'lost';
  if (live?.state === 'waiting') return 'waiting for another workflow';
  const kind = KIND_OF_STATE[node.state];
  if (kind === 'in work' || kind === 'failed') return kind;
  // A node in quarantine has failed, and nobody logs in to it.
  if (isNode(node) && node.quarantine !== undefined) return 'failed';
  return isNode(node) && lockAt(node, nowMs) !== null ? 'locked' : (kind ?? null);
}
