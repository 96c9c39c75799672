/** Reads the facts of nodes that wait for a reboot in child workflows, which must not fill the history of the cluster. */
import { startChild } from '@temporalio/workflow';
import { refreshWorkflowId } from '../../contract/workflow-ids';
import type { ClusterState } from '../../domain/cluster/state';
import { isSelfManaged, readNode } from '../../domain/cluster/state';
import { ineffectiveReboots } from '../../domain/run/run';
import { CHILD_OPTIONS, startLockedChild } from '../shared/locked-child';
import { refreshFacts } from '../node/refresh-facts';
import { defined } from '../../domain/shared/defined';

/** Nodes per child, which keeps the history of each small. */
const NODES_AT_ONCE = 200;

/** Reads the facts of the nodes `names` and writes them into `state`. Never throws. */
export async function refreshPendingNodes(state: ClusterState, names: readonly string[]): Promise<void> {
  const runsBefore = state.nextRun;
  for (let at = 0; at < names.length; at += NODES_AT_ONCE) {
    const slice = new Set(names.slice(at, at + NODES_AT_ONCE));
    // A run knows its nodes better than this look does.
    if (state.nextRun !== runsBefore || state.removing !== null) return;
    const refreshed = await refreshSlice(state, slice).catch(() => []);
    if (state.nextRun !== runsBefore) return;
    for (const { node, reading } of refreshed) readNode(state, node, reading);
  }
}

async function refreshSlice(state: ClusterState, names: ReadonlySet<string>): ReturnType<typeof refreshFacts> {
  const { spec } = state;
  if (!isSelfManaged(spec)) return [];
  const nodes = spec.nodes.filter(({ name }) => names.has(name));
  const { name: cluster, taskQueue } = spec;
  const input = {
    ...{ cluster, nodes, ineffective: ineffectiveReboots(state.nodes.filter(({ name }) => names.has(name))) },
    ...defined({ taskQueue }),
  };
  const workflowId = refreshWorkflowId(cluster);
  const child = await startLockedChild(workflowId, () =>
    startChild(refreshFacts, {
      ...CHILD_OPTIONS,
      ...{ workflowId, args: [input], staticSummary: `refresh facts of ${nodes.length} nodes with a pending reboot` },
    }),
  );
  return child === null ? [] : child.result();
}
