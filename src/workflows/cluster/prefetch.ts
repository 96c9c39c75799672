/**
 * The download of packages before a window: on some nodes at a time, in a child workflow each time, so that neither fills
 * the history of the cluster nor keeps the cluster from a fresh one.
 */
import { readableTimes } from '../../domain/render/markdown';
import { startChild } from '@temporalio/workflow';
import type { ClusterState } from '../../domain/cluster/state';
import { isSelfManaged, noteNodesPrefetched, notePrefetched } from '../../domain/cluster/state';
import { policyFor } from '../../domain/cluster/decide';
import { prefetchWorkflowId } from '../../contract/workflow-ids';
import { ineffectiveReboots } from '../../domain/run/run';
import { CHILD_OPTIONS, startLockedChild } from '../shared/locked-child';
import type { PrefetchedNode } from '../node/prefetch-nodes';
import { prefetchNodes } from '../node/prefetch-nodes';
import type { BackgroundChild } from './background-child';

interface Slice {
  window: string;
  nodes: readonly string[];
  /** How many nodes are left after these. */
  rest: number;
}

export function startPrefetch(child: BackgroundChild, state: ClusterState, { window, nodes, rest }: Slice): void {
  child.start(
    () => prefetch(state, window, new Set(nodes)),
    (prefetched) => {
      for (const node of prefetched ?? []) notePrefetched(state, window, node);
      noteNodesPrefetched(state, window, nodes.at(-1), prefetched === null ? 0 : rest);
    },
    // The run downloads what is missing.
    () => noteNodesPrefetched(state, window, undefined, 0),
  );
}

async function prefetch(
  state: ClusterState,
  window: string,
  names: ReadonlySet<string>,
): Promise<PrefetchedNode[] | null> {
  const { spec } = state;
  if (!isSelfManaged(spec)) return null;
  const nodes = spec.nodes.filter(({ name }) => names.has(name));
  const input = {
    ...{ cluster: spec.name, window, nodes, policy: policyFor(spec, 'schedule') },
    ineffective: ineffectiveReboots(state.nodes.filter(({ name }) => names.has(name))),
  };
  const workflowId = prefetchWorkflowId(spec.name);
  const child = await startLockedChild(workflowId, () =>
    startChild(prefetchNodes, {
      ...CHILD_OPTIONS,
      ...{ workflowId, args: [input] },
      staticSummary: `download packages of ${nodes.length} nodes for the window of ${readableTimes(window)}`,
    }),
  );
  return child === null ? null : child.result();
}
