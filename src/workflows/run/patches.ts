/**
 * The workflows that patch the members of a run: starts one for each, adopts those that an earlier run workflow has left, and
 * reports how each ends. Decides nothing about which member is next.
 */
import { CancellationScope, condition, getExternalWorkflowHandle, isCancellation } from '@temporalio/workflow';
import { nodeWorkflowId } from '../../contract/workflow-ids';
import { forbidRebootsSignal, windowSignal } from '../../contract/messages';
import type { MemberKind, MemberSettled } from '../../domain/cluster/member';
import { memberName } from '../../domain/cluster/member';
import { toNodeError } from '../../domain/node/status';
import type { LostInRun, LostNode, NodeInWork, RunTrigger } from '../../domain/run/run';
import { failedUnrecorded, notTried } from '../../domain/run/run';
import { parseSettled } from '../../domain/run/progress-parser';
import { canonicalJson } from '../../domain/shared/canonical-json';
import { defined } from '../../domain/shared/defined';
import type { ErrorInfo } from '../../domain/shared/errors';
import { workflowEnds } from '../shared/activity-options';
import { settledOf } from '../shared/endings';
import { terminatedPatch, toErrorInfo } from '../shared/failures';
import { NODE_CHILD_OPTIONS, startLockedChild } from '../shared/locked-child';
import { foundBy } from '../shared/search-attributes';
import { timestamp } from '../shared/timestamp';
import type { MemberChild, PatchLimits, RunMember } from './member';

/** One patch that has not ended. */
export interface PatchInFlight extends NodeInWork {
  /** Null: not started yet, or started by an earlier run workflow. */
  child: MemberChild | null;
  /** What it was last told; undefined: nothing yet. */
  told: PatchLimits | undefined;
  lost: boolean;
  /** Nothing but its clean-up is left, which the next run workflow can do as well. */
  terminated: boolean;
  /** A message to an adopted patch has reached nobody. */
  unheard: boolean;
}

/** Whoever owns the run. */
export interface PatchOwner {
  readonly cluster: string;
  readonly run: number;
  readonly trigger: RunTrigger;
  readonly kind: MemberKind;
  /** Names of the search attributes that may be written. */
  readonly searchAttributes: readonly string[];
  /** Why the member is not to be patched any more; null: it is. */
  reasonNotToTry(member: RunMember): MemberSettled | null;
  /** Whether members that wait for their id may still be started. */
  mayStart(): boolean;
  patchLimits(): PatchLimits;
  isCancelled(): boolean;
  /** A member is settled; told at most once for each patch. */
  settled(settled: MemberSettled): void;
  /** A member was not started, and waits for its turn again. */
  notStarted(name: string): void;
  lost(lost: LostNode): void;
  /** What can be seen of the patches has changed. */
  changed(): void;
}

export class RunPatches {
  private readonly inFlight = new Map<string, PatchInFlight>();

  constructor(
    private readonly members: ReadonlyMap<string, RunMember>,
    private readonly owner: PatchOwner,
  ) {}

  get all(): PatchInFlight[] {
    return [...this.inFlight.values()];
  }

  has(name: string): boolean {
    return this.inFlight.has(name);
  }

  /** Whether nothing is in flight but what the next run workflow can adopt. */
  get canBeLeft(): boolean {
    return this.all.every(({ lost, terminated }) => lost || terminated);
  }

  /** Starts the patch of a member. Ends at once; the owner is told the rest. */
  start(member: RunMember): void {
    const { taskQueue } = member;
    const patch: PatchInFlight = {
      node: member.name,
      state: 'patching',
      startedAt: timestamp(),
      workflowRunId: null,
      ...defined({ taskQueue }),
      ...{ child: null, told: undefined, lost: false, terminated: false, unheard: false },
    };
    this.inFlight.set(member.name, patch);
    this.owner.changed();
    void this.patch(patch, member).then((end) => {
      if (this.inFlight.get(member.name) !== patch) return;
      if (end !== 'not-started') return this.settle(end);
      this.inFlight.delete(member.name);
      this.owner.notStarted(member.name);
    });
  }

  /** Takes over a patch that an earlier run workflow of this run has left. */
  adopt({ node: name, startedAt, workflowRunId }: LostInRun): void {
    const taskQueue = this.members.get(name)?.taskQueue;
    this.inFlight.set(name, {
      ...{ node: name, state: 'patching', startedAt, workflowRunId },
      ...defined({ taskQueue }),
      ...{ child: null, told: undefined, lost: true, terminated: false, unheard: false },
    });
  }

  /** Waits for the patches that were adopted. */
  followAdopted(): void {
    for (const patch of this.inFlight.values()) void this.awaitAdopted(patch);
  }

  nodeUnreachable(lost: LostNode | null): void {
    const patch = lost === null ? undefined : this.inFlight.get(lost.node);
    if (lost === null || patch === undefined || patch.workflowRunId !== lost.workflowRunId) return;
    patch.lost = true;
    this.owner.lost(lost);
  }

  nodeEnded(settled: MemberSettled | null): void {
    const patch = settled === null ? undefined : this.inFlight.get(settled.node);
    if (settled === null || patch === undefined || patch.workflowRunId !== settled.workflowRunId) return;
    // At once: whatever else has arrived by now may end this workflow, which would hand over a patch that has ended.
    this.settle(settled);
  }

  /** Tells the patches what may be done less, or longer, than when they were started. */
  async limit(): Promise<void> {
    for (const patch of this.all) await this.limitOne(patch);
  }

  /** A child is cancelled by the scope it was started in; one that was adopted is not. */
  cancelAdopted(): void {
    for (const patch of this.inFlight.values()) this.cancelOne(patch);
  }

  private settle(settled: MemberSettled): void {
    this.inFlight.delete(settled.node);
    this.owner.settled(settled);
  }

  private async limitOne(patch: PatchInFlight): Promise<void> {
    const { workflowRunId, told = { rebootsForbidden: false, window: null } } = patch;
    if (workflowRunId === null) return;
    const limits = this.owner.patchLimits();
    patch.told = limits;
    const handle = this.handleOf(patch.node, workflowRunId);
    // A patch that has ended meanwhile does nothing any more.
    const unheard = (): void => {
      patch.unheard = true;
    };
    if (limits.rebootsForbidden && !told.rebootsForbidden) await handle.signal(forbidRebootsSignal).catch(unheard);
    // Of a node that is lost a change has begun, and AWS ends what it has begun.
    const isBound = !patch.lost && this.owner.kind === 'node';
    if (isBound && canonicalJson(limits.window) !== canonicalJson(told.window))
      await handle.signal(windowSignal, limits.window).catch(unheard);
  }

  private handleOf(node: string, workflowRunId: string): ReturnType<typeof getExternalWorkflowHandle> {
    return getExternalWorkflowHandle(nodeWorkflowId(this.owner.cluster, node), workflowRunId);
  }

  private cancelOne(patch: PatchInFlight): void {
    const { child, lost, node, workflowRunId } = patch;
    if (child !== null || !lost || workflowRunId === null) return;
    void CancellationScope.nonCancellable(() => this.handleOf(node, workflowRunId).cancel()).catch(() => {
      patch.unheard = true;
    });
  }

  /**
   * Waits for one that was adopted. Normally its own signal comes first; a terminated one sends none, so an activity waits
   * for its end as well.
   */
  private async awaitAdopted(patch: PatchInFlight): Promise<void> {
    const { node: name, workflowRunId } = patch;
    const execution = { workflowId: nodeWorkflowId(this.owner.cluster, name), workflowRunId: workflowRunId ?? '' };
    if (this.owner.isCancelled()) this.cancelOne(patch);
    await this.limitOne(patch);
    const look = (): Promise<MemberSettled | null> =>
      workflowEnds.awaitNodePatch.executeWithOptions({ summary: `wait for ${name}, which is lost` }, [execution]);
    const isOver = (): boolean => this.inFlight.get(name) !== patch;
    // A run that is cancelled waits on: its cancellation reaches the patch, which says how it ended.
    const waiting = new CancellationScope({ cancellable: true, parent: new CancellationScope({ cancellable: false }) });
    const settled = await waiting.run(() =>
      Promise.race([
        look().then(parseSettled, () => null),
        condition(() => patch.unheard)
          .then(look)
          .then(parseSettled, () => null),
        condition(isOver).then(() => null),
      ]),
    );
    waiting.cancel();
    if (isOver()) return;
    const end = settled ?? (await this.failedPatch(patch, this.members.get(name), terminatedPatch(name)));
    if (!isOver()) this.settle(end);
  }

  /** `not-started`: the member must wait, while another workflow still held its id. */
  private async patch(patch: PatchInFlight, member: RunMember): Promise<MemberSettled | 'not-started'> {
    const { owner } = this;
    const workflowId = nodeWorkflowId(owner.cluster, member.name);
    try {
      const start = (): Promise<MemberChild> => {
        patch.told = owner.patchLimits();
        return this.startWorkflow(workflowId, member);
      };
      const child = await startLockedChild(workflowId, start, {
        onWaiting: () => {
          patch.state = 'waiting';
          owner.changed();
        },
        // The wait may have been long, and what is allowed may be less than before it.
        shouldStart: () => owner.mayStart() && owner.reasonNotToTry(member) === null,
      });
      if (child === null) return owner.reasonNotToTry(member) ?? 'not-started';
      patch.child = child;
      patch.state = 'patching';
      patch.workflowRunId = child.firstExecutionRunId;
      owner.changed();
      await this.limitOne(patch);
      const settled = await child.result();
      // Sent back before anything was changed: it has another turn.
      return owner.kind === 'node' && settled.outcome === 'not-tried' ? 'not-started' : settled;
    } catch (failure) {
      const settled = settledOf(failure);
      if (settled !== null) return settled;
      // Only when cancellation arrived before the child was started: a started one always answers.
      if (isCancellation(failure) && patch.child === null)
        return notTried(owner.kind, member.name, `the run was cancelled before this ${memberName(owner.kind)}`);
      return await this.failedPatch(patch, member, toErrorInfo(failure, `the patch of ${member.name}`));
    }
  }

  /** The record of a patch that could not report itself how it ended. */
  private async failedPatch(
    patch: PatchInFlight,
    member: RunMember | undefined,
    error: ErrorInfo,
  ): Promise<MemberSettled> {
    const { workflowRunId } = patch;
    const isKnown = workflowRunId === null || member === undefined;
    patch.terminated = !isKnown;
    this.owner.changed();
    const known = isKnown ? error : await member.cleanUp(error);
    return failedUnrecorded(this.owner.kind, patch.node, toNodeError(known), workflowRunId);
  }

  private startWorkflow(workflowId: string, member: RunMember): Promise<MemberChild> {
    const { cluster, run, trigger, searchAttributes } = this.owner;
    const options = {
      ...NODE_CHILD_OPTIONS,
      ...foundBy(cluster, searchAttributes),
      workflowId,
      staticSummary: `${member.name}: run ${run} (${trigger})`,
    };
    return member.start(options, this.owner.patchLimits());
  }
}
