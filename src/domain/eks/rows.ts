/** Status rows of node groups. */
import type { MemberStatus } from '../cluster/member';
import type { NodeGroupStatus } from './status';
import { newNodeGroupStatus } from './status';
import type { EksSpec } from '../spec/types';

/**
 * The rows of a cluster under `spec`: known groups keep their row. The members of `all` are known from the first run
 * on.
 */
export function nodeGroupRows(spec: EksSpec, known: readonly MemberStatus[]): NodeGroupStatus[] {
  const { nodeGroups } = spec.eks;
  return nodeGroups === 'all' ? known.filter((row) => row.kind === 'node-group') : rowsFor(nodeGroups, known);
}

/** One row per name; known rows are kept. */
export function rowsFor(names: readonly string[], known: readonly MemberStatus[]): NodeGroupStatus[] {
  const groups = known.filter((row) => row.kind === 'node-group');
  const rows = new Map(groups.map((row) => [row.name, row]));
  return names.map((name) => rows.get(name) ?? newNodeGroupStatus(name));
}
