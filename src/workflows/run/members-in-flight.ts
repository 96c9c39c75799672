/**
 * What works on the nodes of a run now: starts node patches, takes over those that an earlier run workflow of the run has
 * left, and tells them what they may no longer do. Their order and limits are those of the run.
 */
import { CancellationScope, condition, getExternalWorkflowHandle, isCancellation } from '@temporalio/workflow';
import { nodeWorkflowId } from '../../contract/workflow-ids';
import { forbidRebootsSignal } from '../../contract/messages';
import type { MemberKind, MemberSettled } from '../../domain/cluster/member';
import { memberName } from '../../domain/cluster/member';
import { toNodeError } from '../../domain/node/status';
import { parseSettled } from '../../domain/run/progress-parser';
import type { LostInRun, NodeInWork, RunInput } from '../../domain/run/run';
import { failedUnrecorded, notTried } from '../../domain/run/run';
import { defined } from '../../domain/shared/defined';
import type { ErrorInfo } from '../../domain/shared/errors';
import { workflowEnds } from '../shared/activity-options';
import { settledOf } from '../shared/endings';
import { terminatedPatch, toErrorInfo } from '../shared/failures';
import { NODE_CHILD_OPTIONS, startLockedChild } from '../shared/locked-child';
import { foundBy } from '../shared/search-attributes';
import { timestamp } from '../shared/timestamp';
import type { MemberChild, RunMember } from './member';
import type { RestrictionsInForce } from './restrictions';

/** One node patch that has not ended. */
export interface MemberInFlight extends NodeInWork {
  /** Null: not started yet, or started by an earlier run workflow. */
  child: MemberChild | null;
  rebootsForbidden: boolean;
  lost: boolean;
  /** Nothing but its cleaning up is left, which the next run workflow can do as well. */
  terminated: boolean;
  /** A message to an adopted node patch has found nobody. */
  unheard: boolean;
}

/** The run that they belong to. */
export interface RunOfMembers {
  readonly input: RunInput;
  readonly kind: MemberKind;
  /** By name, in the order of the run. */
  readonly members: ReadonlyMap<string, RunMember>;
  readonly restrictions: RestrictionsInForce;
  /** How one that is not to be started settles; null: it may be. */
  reasonNotToTry(member: RunMember): MemberSettled | null;
  isSettled(name: string): boolean;
  settle(settled: MemberSettled): void;
  /** Its state has changed in a way that the cluster does not keep. */
  show(): void;
}

export class MembersInFlight {
  private readonly inFlight = new Map<string, MemberInFlight>();

  constructor(private readonly run: RunOfMembers) {}

  get size(): number {
    return this.inFlight.size;
  }

  all(): MemberInFlight[] {
    return [...this.inFlight.values()];
  }

  get(name: string): MemberInFlight | undefined {
    return this.inFlight.get(name);
  }

  has(name: string): boolean {
    return this.inFlight.has(name);
  }

  /** It has settled, or was not started. */
  remove(name: string): void {
    this.inFlight.delete(name);
  }

  /** What a node patch says of itself by a signal; undefined: it is none of this run, or has ended. */
  sender({ node, workflowRunId }: { node: string; workflowRunId: string | null }): MemberInFlight | undefined {
    const member = this.inFlight.get(node);
    return member?.workflowRunId === workflowRunId ? member : undefined;
  }

  /** Whether none is left but lost ones, which the next run workflow can wait for. */
  onlyLost(): boolean {
    return this.all().every((member) => member.lost || member.terminated);
  }

  begin({ name, taskQueue }: RunMember): MemberInFlight {
    const member = newMember({ node: name, startedAt: timestamp(), workflowRunId: null }, taskQueue, false);
    this.inFlight.set(name, member);
    return member;
  }

  /** Takes over a node patch that an earlier run workflow of this run has left. */
  adopt(lost: LostInRun): void {
    this.inFlight.set(lost.node, newMember(lost, this.run.members.get(lost.node)?.taskQueue, true));
  }

  /** `not-started`: paused while another workflow still held the node. */
  async patch(inFlight: MemberInFlight, member: RunMember): Promise<MemberSettled | 'not-started'> {
    const { run } = this;
    const { restrictions } = run;
    const workflowId = nodeWorkflowId(run.input.cluster, member.name);
    try {
      const start = (): Promise<MemberChild> => {
        inFlight.rebootsForbidden = restrictions.rebootsForbidden;
        return this.start(workflowId, member);
      };
      const child = await startLockedChild(workflowId, start, {
        onWaiting: () => {
          inFlight.state = 'waiting';
          run.show();
        },
        // The wait may have been long, and what is allowed may be less than before it.
        shouldStart: () => !restrictions.paused && run.reasonNotToTry(member) === null,
      });
      if (child === null) return run.reasonNotToTry(member) ?? 'not-started';
      inFlight.child = child;
      inFlight.state = 'patching';
      inFlight.workflowRunId = child.firstExecutionRunId;
      run.show();
      await this.forbidReboots(inFlight);
      return await child.result();
    } catch (failure) {
      const settled = settledOf(failure);
      if (settled !== null) return settled;
      // Only when cancellation arrived before the child was started: a started one always answers.
      if (isCancellation(failure) && inFlight.child === null)
        return notTried(run.kind, member.name, `the run was cancelled before this ${memberName(run.kind)}`);
      return await this.failed(inFlight, member, toErrorInfo(failure, `the patch of ${member.name}`));
    }
  }

  private start(workflowId: string, member: RunMember): Promise<MemberChild> {
    const { cluster, run, trigger, searchAttributes = [] } = this.run.input;
    const options = {
      ...NODE_CHILD_OPTIONS,
      ...foundBy(cluster, searchAttributes),
      workflowId,
      staticSummary: `${member.name}: run ${run} (${trigger})`,
    };
    return member.start(options, this.run.restrictions.rebootsForbidden);
  }

  /**
   * Waits for one that was adopted. Normally its own signal comes first; a terminated one sends none, so an activity waits
   * for its end as well.
   */
  async awaitAdopted(adopted: MemberInFlight): Promise<void> {
    const { run } = this;
    const { node: name, workflowRunId } = adopted;
    const execution = { workflowId: nodeWorkflowId(run.input.cluster, name), workflowRunId: workflowRunId ?? '' };
    if (run.restrictions.cancelled) this.cancelAdopted(adopted);
    await this.forbidReboots(adopted);
    const look = (): Promise<MemberSettled | null> =>
      workflowEnds.awaitNodePatch.executeWithOptions({ summary: `wait for ${name}, which is lost` }, [execution]);
    // A run that is cancelled waits on: its cancellation reaches the node patch, which says how it ended.
    const waiting = new CancellationScope({ cancellable: true, parent: new CancellationScope({ cancellable: false }) });
    const settled = await waiting.run(() =>
      Promise.race([
        look().then(parseSettled, () => null),
        condition(() => adopted.unheard)
          .then(look)
          .then(parseSettled, () => null),
        condition(() => run.isSettled(name)).then(() => null),
      ]),
    );
    waiting.cancel();
    if (run.isSettled(name)) return;
    run.settle(settled ?? (await this.failed(adopted, run.members.get(name), terminatedPatch(name))));
  }

  /** The record of a node patch that could not say itself how it ended. */
  private async failed(
    inFlight: MemberInFlight,
    member: RunMember | undefined,
    error: ErrorInfo,
  ): Promise<MemberSettled> {
    const { node, workflowRunId } = inFlight;
    const isKnown = workflowRunId === null || member === undefined;
    inFlight.terminated = !isKnown;
    const known = isKnown ? error : await member.cleanUp(error);
    return failedUnrecorded(this.run.kind, node, toNodeError(known), workflowRunId);
  }

  /** Tells all that are in flight what they may no longer do. */
  async syncRestrictions(): Promise<void> {
    for (const member of this.inFlight.values()) await this.forbidReboots(member);
  }

  private async forbidReboots(inFlight: MemberInFlight): Promise<void> {
    const { workflowRunId } = inFlight;
    if (!this.run.restrictions.rebootsForbidden || workflowRunId === null || inFlight.rebootsForbidden) return;
    inFlight.rebootsForbidden = true;
    // A node patch that has ended meanwhile reboots nothing any more.
    await this.handleOf(inFlight.node, workflowRunId)
      .signal(forbidRebootsSignal)
      .catch(() => {
        inFlight.unheard = true;
      });
  }

  /** A child hears of a cancellation from the scope it was started in; one that was adopted does not. */
  cancelAllAdopted(): void {
    for (const member of this.inFlight.values()) this.cancelAdopted(member);
  }

  private cancelAdopted(inFlight: MemberInFlight): void {
    const { child, lost, node, workflowRunId } = inFlight;
    if (child !== null || !lost || workflowRunId === null) return;
    void CancellationScope.nonCancellable(() => this.handleOf(node, workflowRunId).cancel()).catch(() => {
      inFlight.unheard = true;
    });
  }

  private handleOf(node: string, workflowRunId: string): ReturnType<typeof getExternalWorkflowHandle> {
    return getExternalWorkflowHandle(nodeWorkflowId(this.run.input.cluster, node), workflowRunId);
  }
}

function newMember(
  begun: Pick<NodeInWork, 'node' | 'startedAt' | 'workflowRunId'>,
  taskQueue: string | undefined,
  lost: boolean,
): MemberInFlight {
  const { node, startedAt, workflowRunId } = begun;
  return {
    ...{ node, state: 'patching', startedAt, workflowRunId },
    ...defined({ taskQueue }),
    ...{ child: null, rebootsForbidden: false, lost, terminated: false, unheard: false },
  };
}
