/**
 * The workflows that patch the members of a run: starts one for each, adopts those that an earlier run workflow has handed
 * over, and reports how each ends. Decides nothing about which member is next.
 */
import { CancellationScope, condition, getExternalWorkflowHandle, isCancellation, sleep } from '@temporalio/workflow';
import { nodeWorkflowId } from '../../contract/workflow-ids';
import { forbidRebootsSignal, reportEndSignal, windowSignal, withdrawSignal } from '../../contract/messages';
import type { MemberKind, MemberSettled } from '../../domain/cluster/member';
import { memberName } from '../../domain/cluster/member';
import { toNodeError } from '../../domain/node/status';
import { END_WATCH_HEARTBEAT_TIMEOUT_MS } from '../../domain/node/time-limits';
import type { HandedOverPatch, LostNode, NodeInWork, PatchLimits, RunTrigger } from '../../domain/run/run';
import { failedUnrecorded, notTried } from '../../domain/run/run';
import { parseSettled } from '../../domain/run/progress-parser';
import { canonicalJson } from '../../domain/shared/canonical-json';
import { defined } from '../../domain/shared/defined';
import type { ErrorInfo } from '../../domain/shared/errors';
import { workflowEnds } from '../shared/activity-options';
import { settledOf } from '../shared/endings';
import { inChunks } from '../shared/in-chunks';
import { terminatedPatch, toErrorInfo } from '../shared/failures';
import { NODE_CHILD_OPTIONS, startLockedChild } from '../shared/locked-child';
import { foundBy } from '../shared/search-attributes';
import { timestamp } from '../shared/timestamp';
import type { MemberChild, RunMember } from './member';

/** How soon patches are watched again after that has failed, in milliseconds. */
const WATCH_RETRY_MS = 60_000;

/** What a patch goes by that was told nothing. */
const NO_LIMITS: PatchLimits = { rebootsForbidden: false, window: null };

/** One patch that has not ended. */
export interface PatchInFlight extends NodeInWork {
  /** Null: not started yet, or started by an earlier run workflow. */
  child: MemberChild | null;
  /** What it was last told; undefined: nothing yet. */
  told: PatchLimits | undefined;
  lost: boolean;
  /** Has been asked to report its end to whatever run workflow there is then. */
  reportsEnd: boolean;
  /** Nothing but its clean-up is left, which the next run workflow can do as well. */
  terminated: boolean;
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
  /** Why the member is left out after its start; undefined: it is not. */
  withdrawalOf(name: string): string | undefined;
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
  /** Messages to patches that are not delivered yet. */
  private sending = 0;

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

  /** Whether nothing is in flight but what need not be waited for. */
  get onlyLost(): boolean {
    return this.all.every(({ lost, terminated }) => lost || terminated);
  }

  /** Whether the next run workflow can adopt all that is in flight. */
  get canBeHandedOver(): boolean {
    return this.sending === 0 && this.all.every(({ workflowRunId }) => workflowRunId !== null);
  }

  /** Patches that Temporal has been asked to start and has not started yet. */
  get starting(): number {
    return this.all.filter(({ workflowRunId, state }) => workflowRunId === null && state === 'patching').length;
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
      ...{ child: null, told: undefined, lost: false, reportsEnd: false, terminated: false },
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

  /** Takes over a patch that an earlier run workflow of this run has handed over. */
  adopt({ node: name, startedAt, workflowRunId, told, ...one }: HandedOverPatch): void {
    const lost = one.lost === true;
    const reportsEnd = lost || one.reportsEnd === true;
    const taskQueue = this.members.get(name)?.taskQueue;
    this.inFlight.set(name, {
      ...{ node: name, state: 'patching', startedAt, workflowRunId },
      ...defined({ taskQueue }),
      ...{ child: null, told, lost, reportsEnd, terminated: false },
    });
  }

  /** Waits for the patches that were adopted. */
  followAdopted(): void {
    const adopted = this.all;
    if (adopted.length === 0) return;
    if (this.owner.isCancelled()) this.cancelAdopted();
    void this.watch(adopted);
    void this.askForEnds(adopted);
    void this.limit();
  }

  nodeUnreachable(lost: LostNode | null): void {
    const patch = lost === null ? undefined : this.inFlight.get(lost.node);
    if (lost === null || patch === undefined || patch.workflowRunId !== lost.workflowRunId) return;
    if (patch.lost) return;
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
    await inChunks(this.all, (patch) => this.limitOne(patch));
  }

  /** A child is cancelled by the scope it was started in; one that was adopted is not. */
  cancelAdopted(): void {
    const adopted = this.all.filter(({ child, workflowRunId }) => child === null && workflowRunId !== null);
    void CancellationScope.nonCancellable(() => inChunks(adopted, (patch) => this.cancelOne(patch)));
  }

  private settle(settled: MemberSettled): void {
    this.inFlight.delete(settled.node);
    this.owner.settled(settled);
  }

  private async limitOne(patch: PatchInFlight): Promise<void> {
    const { workflowRunId, told = NO_LIMITS } = patch;
    if (workflowRunId === null) return;
    const withdrawn = this.owner.withdrawalOf(patch.node);
    const limits = { ...this.owner.patchLimits(), ...defined({ withdrawn }) };
    patch.told = limits;
    const handle = this.handleOf(patch.node, workflowRunId);
    if (limits.rebootsForbidden && !told.rebootsForbidden)
      await this.send(patch, () => handle.signal(forbidRebootsSignal));
    // Of a node that is lost a change has begun, and AWS ends what it has begun.
    const isBound = !patch.lost && this.owner.kind === 'node';
    if (isBound && canonicalJson(limits.window) !== canonicalJson(told.window))
      await this.send(patch, () => handle.signal(windowSignal, limits.window));
    if (isBound && withdrawn !== undefined && told.withdrawn === undefined)
      await this.send(patch, () => handle.signal(withdrawSignal, withdrawn));
  }

  /** Its parent hears of the end of a node patch from Temporal, this run workflow from the node patch. */
  private async askForEnds(adopted: readonly PatchInFlight[]): Promise<void> {
    // An update of a node group has no such message.
    const silent = this.owner.kind === 'node' ? adopted.filter(({ reportsEnd }) => !reportsEnd) : [];
    const unheard: PatchInFlight[] = [];
    await inChunks(silent, async (patch) => {
      const handle = this.handleOf(patch.node, patch.workflowRunId ?? '');
      patch.reportsEnd = await this.send(patch, () => handle.signal(reportEndSignal), unheard);
    });
    if (unheard.length > 0) void this.watch(unheard);
  }

  /**
   * Returns whether the message has reached the patch. One that was adopted and does not hear has probably ended: its end is
   * looked for at once, or later by whoever collects the `unheard`.
   */
  private async send(patch: PatchInFlight, signal: () => Promise<void>, unheard?: PatchInFlight[]): Promise<boolean> {
    // What a workflow has not delivered when it ends is lost, so a run workflow hands over after that.
    this.sending += 1;
    try {
      await signal();
      return true;
    } catch {
      if (unheard !== undefined) unheard.push(patch);
      else if (patch.child === null) void this.watch([patch]);
      return false;
    } finally {
      this.sending -= 1;
      if (this.sending === 0) this.owner.changed();
    }
  }

  private handleOf(node: string, workflowRunId: string): ReturnType<typeof getExternalWorkflowHandle> {
    return getExternalWorkflowHandle(nodeWorkflowId(this.owner.cluster, node), workflowRunId);
  }

  private async cancelOne(patch: PatchInFlight): Promise<void> {
    await this.handleOf(patch.node, patch.workflowRunId ?? '')
      .cancel()
      .catch(() => this.watch([patch]));
  }

  /**
   * Follows patches that were adopted. Normally their own messages come first; a terminated one sends none, so an activity
   * waits for their ends as well.
   */
  private async watch(patches: readonly PatchInFlight[]): Promise<void> {
    const isOpen = (patch: PatchInFlight): boolean => this.inFlight.get(patch.node) === patch && !patch.terminated;
    for (let open = patches.filter(isOpen); open.length > 0; open = open.filter(isOpen)) {
      const ends = await this.firstEnds(open, () => !open.some(isOpen));
      for (const patch of open) {
        const end = ends.get(patch.node);
        if (end !== undefined && isOpen(patch)) void this.settleAdopted(patch, end);
      }
    }
  }

  /** How some of these patches have ended, by node; nothing once `isOver`. */
  private async firstEnds(
    patches: readonly PatchInFlight[],
    isOver: () => boolean,
  ): Promise<Map<string, MemberSettled | null>> {
    const nodes = new Map(patches.map(({ node }) => [nodeWorkflowId(this.owner.cluster, node), node]));
    const executions = patches.map(({ node, workflowRunId }) => ({
      workflowId: nodeWorkflowId(this.owner.cluster, node),
      workflowRunId: workflowRunId ?? '',
    }));
    const first = patches[0]?.node ?? '';
    const summary = `wait for ${patches.length === 1 ? first : `${patches.length} nodes, ${first} first`}`;
    // Others are started in the places of those in flight, so a watch whose worker has died is noticed soon.
    const heartbeatTimeout = patches.every(({ lost }) => lost) ? undefined : END_WATCH_HEARTBEAT_TIMEOUT_MS;
    // A run that is cancelled waits on: its cancellation reaches the patches, which say how they ended.
    const waiting = new CancellationScope({ cancellable: true, parent: new CancellationScope({ cancellable: false }) });
    const ends = await waiting.run(() =>
      Promise.race([
        workflowEnds.awaitNodePatches
          .executeWithOptions({ summary, ...defined({ heartbeatTimeout }) }, [executions])
          .catch((failure: unknown) => this.unwatched(failure)),
        condition(isOver).then(() => []),
      ]),
    );
    waiting.cancel();
    return new Map(ends.map(({ workflowId, settled }) => [nodes.get(workflowId) ?? '', parseSettled(settled)]));
  }

  /** The next look is not at once. */
  private async unwatched(failure: unknown): Promise<never[]> {
    if (!isCancellation(failure)) await sleep(WATCH_RETRY_MS, { summary: 'look again for the ends of node patches' });
    return [];
  }

  /** `end`: null when it is not known. */
  private async settleAdopted(patch: PatchInFlight, end: MemberSettled | null): Promise<void> {
    const settled = end ?? (await this.failedPatch(patch, this.members.get(patch.node), terminatedPatch(patch.node)));
    if (this.inFlight.get(patch.node) === patch) this.settle(settled);
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
