/**
 * Node patches that outlive the run workflow of a suspended run. Normally they signal their end themselves; a terminated one
 * sends no signal, so an activity waits for the end of each.
 */
import { CancellationScope } from '@temporalio/workflow';
import type { MemberSettled } from '../../domain/cluster/member';
import type { ActiveRun } from '../../domain/cluster/state';
import { toNodeError } from '../../domain/node/status';
import { parseSettled } from '../../domain/run/progress-parser';
import type { HandedOverPatch } from '../../domain/run/run';
import { failedUnrecorded } from '../../domain/run/run';
import { nodeWorkflowId } from '../../contract/workflow-ids';
import type { RunMember } from '../run/member';
import { workflowEnds } from '../shared/activity-options';
import { terminatedPatch } from '../shared/failures';

export class LostPatches {
  private readonly watched = new Map<string, CancellationScope>();

  /** `settle` is called with the end of each node patch that is still watched. */
  constructor(
    private readonly cluster: string,
    private readonly settle: (run: ActiveRun, settled: MemberSettled) => void,
  ) {}

  /** Idempotent, while `run` is suspended. `memberOf`: cleans up after a terminated node patch. */
  watch(run: ActiveRun, memberOf: (node: string) => RunMember | undefined): void {
    for (const lost of run.suspended?.inFlight ?? []) {
      if (this.watched.has(lost.node)) continue;
      const scope = new CancellationScope();
      this.watched.set(lost.node, scope);
      void scope
        .run(() => this.endOf(run, lost, memberOf(lost.node)))
        .then(
          (settled) => {
            if (this.watched.get(lost.node) === scope) this.settle(run, settled);
          },
          () => undefined,
        );
    }
  }

  /** A run workflow has adopted the node patches. */
  stop(): void {
    const scopes = [...this.watched.values()];
    this.watched.clear();
    for (const scope of scopes) scope.cancel();
  }

  private async endOf(run: ActiveRun, lost: HandedOverPatch, member: RunMember | undefined): Promise<MemberSettled> {
    const { node, workflowRunId } = lost;
    const execution = { workflowId: nodeWorkflowId(this.cluster, node), workflowRunId };
    const summary = `wait for ${node}`;
    const [end] = await workflowEnds.awaitNodePatches.executeWithOptions({ summary }, [[execution]]);
    const settled = parseSettled(end?.settled);
    if (settled !== null) return settled;
    const error = (await member?.cleanUp(terminatedPatch(node))) ?? terminatedPatch(node);
    return failedUnrecorded(run.policy.kind, node, toNodeError(error), workflowRunId);
  }
}
