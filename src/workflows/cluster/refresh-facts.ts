/**
 * Reads the facts of nodes that wait for a reboot: some at a time, in a child workflow each time, so that neither fills the
 * history of the cluster nor keeps the cluster from a fresh one. Given up as soon as a run begins.
 */
import { CancellationScope, startChild } from '@temporalio/workflow';
import { refreshWorkflowId } from '../../contract/workflow-ids';
import type { ClusterState } from '../../domain/cluster/state';
import { isAtRest, isSelfManaged, noteRefresh, readNode } from '../../domain/cluster/state';
import { ineffectiveReboots } from '../../domain/run/run';
import { CHILD_OPTIONS, startLockedChild } from '../shared/locked-child';
import type { RefreshedNode } from '../node/refresh-facts';
import { refreshFacts } from '../node/refresh-facts';
import { timestamp } from '../shared/timestamp';
import { defined } from '../../domain/shared/defined';

export class FactsRefresh {
  private scope: CancellationScope | null = null;

  /** `changed` is called when the refresh has ended and the state says what was seen. */
  constructor(
    private readonly state: ClusterState,
    private readonly changed: () => void,
  ) {}

  get isRunning(): boolean {
    return this.scope !== null;
  }

  /** `rest`: how many nodes are left for the next refresh. */
  start(names: readonly string[], rest: number): void {
    const { state } = this;
    const scope = new CancellationScope();
    this.scope = scope;
    const runsBefore = state.nextRun;
    void scope
      .run(() => refreshNodes(state, new Set(names)))
      // Terminated by somebody: the facts are refreshed again in some hours.
      .catch(() => [])
      .then((refreshed) => {
        this.scope = null;
        // A run knows its nodes better than this refresh does.
        if (!scope.consideredCancelled && state.nextRun === runsBefore) {
          for (const { node, reading } of refreshed) readNode(state, node, reading);
          noteRefresh(state, names.at(-1) ?? '', rest, timestamp());
        }
        this.changed();
      });
  }

  stopUnlessIdle(): void {
    if (!isAtRest(this.state)) this.scope?.cancel();
  }
}

async function refreshNodes(state: ClusterState, names: ReadonlySet<string>): Promise<RefreshedNode[]> {
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
