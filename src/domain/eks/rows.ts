/** Node groups have the rows that nodes have elsewhere. */
import type { NodeStatus } from '../node/status';
import { newNodeStatus } from '../node/status';
import type { EksSpec } from '../spec/types';

/** The rows of a cluster under `spec`: known groups keep theirs. What `all` means is known from the first run on. */
export function nodeGroupRows(spec: EksSpec, known: readonly NodeStatus[]): NodeStatus[] {
  const { nodeGroups } = spec.eks;
  return nodeGroups === 'all' ? [...known] : rowsFor(nodeGroups, known);
}

/** One row for each name: a known one where there is one. */
export function rowsFor(names: readonly string[], known: readonly NodeStatus[]): NodeStatus[] {
  const rows = new Map(known.map((row) => [row.name, row]));
  return names.map((name) => rows.get(name) ?? newNodeStatus(name, 'worker', 'not-required'));
}
