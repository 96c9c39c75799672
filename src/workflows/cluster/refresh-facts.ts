/**
 * Reads the facts of nodes that wait for a reboot, or may be other machines now: some at a time, in a child workflow each
 * time, so that neither fills the history of the cluster nor keeps the cluster from a fresh one.
 */
import { startChild } from '@temporalio/workflow';
import { refreshWorkflowId } from '../../contract/workflow-ids';
import type { ClusterState } from '../../domain/cluster/state';
import { isSelfManaged, noteRefresh, readNode } from '../../domain/cluster/state';
import { ineffectiveReboots } from '../../domain/run/run';
import { CHILD_OPTIONS, startLockedChild } from '../shared/locked-child';
import type { RefreshedNode } from '../node/refresh-facts';
import { refreshFacts } from '../node/refresh-facts';
import { timestamp } from '../shared/timestamp';
import { defined } from '../../domain/shared/defined';
import type { BackgroundChild } from './background-child';

/** `rest`: how many nodes are left for the next refresh. */
export function startRefresh(
  child: BackgroundChild,
  state: ClusterState,
  { nodes: names, rest }: { nodes: readonly string[]; rest: number },
): void {
  child.start(
    () => refreshNodes(state, new Set(names)),
    (refreshed) => {
      for (const { node, reading } of refreshed ?? []) readNode(state, node, reading);
      noteRefresh(state, names.at(-1) ?? '', rest, timestamp());
    },
    // They are refreshed again some hours after the run.
    () => undefined,
  );
}

async function refreshNodes(state: ClusterState, names: ReadonlySet<string>): Promise<RefreshedNode[] | null> {
  const { spec } = state;
  if (!isSelfManaged(spec)) return null;
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
      ...{
        workflowId,
        args: [input],
        staticSummary: `refresh facts of ${nodes.length} node${nodes.length === 1 ? '' : 's'}`,
      },
    }),
  );
  return child === null ? null : child.result();
}
