/** The download of packages before a window: in the background of a cluster, and given up as soon as a run begins. */
import { CancellationScope, startChild } from '@temporalio/workflow';
import type { ClusterState } from '../../domain/cluster/state';
import { isNode } from '../../domain/cluster/member';
import { isAtRest, isSelfManaged, notePrefetched } from '../../domain/cluster/state';
import { policyFor } from '../../domain/cluster/decide';
import { prefetchWorkflowId } from '../../contract/workflow-ids';
import { ineffectiveReboots } from '../../domain/run/run';
import { CHILD_OPTIONS, startLockedChild } from '../shared/locked-child';
import { prefetchNodes } from '../node/prefetch-nodes';

export class ClusterPrefetch {
  private scope: CancellationScope | null = null;

  /** `changed` is called when the download has ended and the state says how. */
  constructor(
    private readonly state: ClusterState,
    private readonly changed: () => void,
  ) {}

  get isRunning(): boolean {
    return this.scope !== null;
  }

  start(window: string): void {
    const { spec } = this.state;
    this.state.prefetchedFor = window;
    if (!isSelfManaged(spec)) return;
    const scope = new CancellationScope();
    this.scope = scope;
    const quarantined = new Set(
      this.state.nodes.filter((node) => isNode(node) && node.quarantine !== undefined).map(({ name }) => name),
    );
    const workflowId = prefetchWorkflowId(spec.name);
    const input = {
      cluster: spec.name,
      window,
      nodes: spec.nodes.filter(({ name }) => !quarantined.has(name)),
      policy: policyFor(spec, 'schedule'),
      ineffective: ineffectiveReboots(this.state.nodes),
    };
    const start = () =>
      startChild(prefetchNodes, {
        ...CHILD_OPTIONS,
        workflowId,
        staticSummary: `download packages for the window of ${window}`,
        args: [input],
      });
    void scope
      .run(async () => (await startLockedChild(workflowId, start))?.result() ?? [])
      // Given up for a run, or terminated by somebody: the run downloads what is missing.
      .catch(() => [])
      .then((nodes) => {
        for (const node of nodes) notePrefetched(this.state, window, node);
        this.scope = null;
        this.changed();
      });
  }

  /** A run downloads what it needs by itself, and a cluster that is removed needs nothing. */
  stopUnlessIdle(): void {
    if (!isAtRest(this.state)) this.scope?.cancel();
  }
}
