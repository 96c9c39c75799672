/**
 * One run over a cluster: takes its nodes one at a time and settles every one of them.
 *
 * Owns the order, the failure budget and the cursor. A node that is unreachable for long after a change was begun counts
 * against the budget until it is back; where the budget allows it, the others go on meanwhile. Ends when all nodes have
 * settled. At a pause, or when its history is large, it ends with a cursor from which the next workflow of the same run
 * goes on; node patches of lost nodes go on without it, and the next run workflow adopts them. Cancelled, it starts no further
 * node and waits for those in flight.
 */
import {
  CancellationScope,
  condition,
  getExternalWorkflowHandle,
  isCancellation,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { ErrorInfo } from '../../domain/shared/errors';
import { clusterWorkflowId, nodeWorkflowId } from '../../contract/workflow-ids';
import type { MemberKind, MemberName, MemberSettled } from '../../domain/cluster/member';
import { memberName } from '../../domain/cluster/member';
import { toNodeError } from '../../domain/node/status';
import { renderRunProgress } from '../../domain/render/cluster';
import { parseLost, parseRestrictions, parseSettled } from '../../domain/run/progress-parser';
import type {
  LostInRun,
  LostNode,
  NodeInWork,
  RunInput,
  RunProgressPage,
  RunResult,
  RunCursor,
  RunRestrictions,
} from '../../domain/run/run';
import {
  NODES_PER_RUN_WORKFLOW,
  failedUnrecorded,
  isNodeRun,
  notTried,
  progressIntervalMs,
  runFailure,
  runOutcome,
  skippedBecauseRemoved,
  withinBudget,
} from '../../domain/run/run';
import { parsePageRequest } from '../../domain/cluster/status-pages';
import { progressPage } from '../../domain/run/progress-page';
import { NODE_CHILD_OPTIONS, startLockedChild } from '../shared/locked-child';
import { endRun, settledOf } from '../shared/endings';
import { toErrorInfo } from '../shared/failures';
import { isObject, requireOwnId } from '../shared/own-id';
import { foundBy, publishRunEnd } from '../shared/search-attributes';
import { nodePatchEnds } from '../shared/activity-options';
import {
  forbidRebootsSignal,
  nodeEndedSignal,
  nodeUnreachableSignal,
  progressQuery,
  restrictSignal,
  runProgressSignal,
} from '../../contract/messages';
import type { MemberChild, RunMember } from './member';
import { nodeMember } from './node-member';
import { nodeGroupMember } from './node-group-member';
import { defined } from '../../domain/shared/defined';
import { timestamp } from '../shared/timestamp';

/** @throws ApplicationFailure `RunFailed` with the report, when the run has failed */
export async function run(input: RunInput): Promise<RunResult> {
  requireOwnId((id) => isOwnRun(id, input));
  const work = new RunLoop(input);
  setHandler(progressQuery, (value) => progressPage(work.progress(), parsePageRequest(value)), {
    description: 'How far the run is, node by node.',
  });
  setHandler(restrictSignal, (value) => work.restrict(parseRestrictions(value) ?? {}), {
    description: 'From the cluster: what this run may no longer do.',
  });
  setHandler(nodeUnreachableSignal, (value) => work.nodeUnreachable(parseLost(value)), {
    description: 'From a node patch: the node has been unreachable for long, and is still waited for',
  });
  setHandler(nodeEndedSignal, (value) => work.nodeEnded(parseSettled(value)), {
    description: 'From a node patch whose node was unreachable for long: the patch has ended',
  });
  const report = await work.run();
  publishRunEnd(report, input.searchAttributes);
  return endRun(report, runFailure(input, report));
}

function isOwnRun(id: string, { cluster, run, nodes, policy, restrictions }: RunInput): boolean {
  const isWhole = Array.isArray(nodes) && isObject(policy) && isObject(restrictions);
  return isWhole && id.startsWith(`${clusterWorkflowId(cluster)}/run/${run}-`);
}

/** One node patch that has not ended. */
interface NodeInFlight extends NodeInWork {
  /** Null: not started yet, or started by an earlier run workflow. */
  child: MemberChild | null;
  rebootsForbidden: boolean;
  lost: boolean;
  /** Nothing but its cleaning up is left, which the next run workflow can do as well. */
  terminated: boolean;
  /** A message to an adopted node patch has found nobody. */
  unheard: boolean;
}

class RunLoop {
  private readonly cursor: RunCursor;
  private readonly alreadySettled: number;
  private readonly kind: MemberKind;
  private readonly unit: MemberName;
  private readonly members: readonly RunMember[];
  private paused = false;
  private handOver = false;
  private removed: ReadonlySet<string> = new Set();
  private rebootsForbidden = false;
  private cancelled = false;
  private readonly work = new Map<string, NodeInFlight>();
  private readonly settledNodes: Set<string>;
  /** What the cluster does not know yet. */
  private unreported: { settled: MemberSettled[]; started: string[]; lost: LostNode[] } = newReport();
  private reportDue = false;
  private ended = false;

  constructor(private readonly input: RunInput) {
    const { settled, failures, lost = [] } = input.resumeFrom ?? { settled: [], failures: 0 };
    this.cursor = { settled: [...settled], failures };
    this.alreadySettled = settled.length;
    this.settledNodes = new Set(settled.map(({ node }) => node));
    this.kind = input.policy.kind;
    this.unit = memberName(this.kind);
    this.members = membersOf(input);
    this.takeRestrictions(input.restrictions);
    // What lost nodes have said before this run workflow began is handed over as the handlers are registered.
    for (const one of lost) this.adopt(one);
  }

  progress(): RunProgressPage {
    const { settled } = this.cursor;
    const { run, nodes } = this.input;
    const work = [...this.work.values()];
    return {
      run,
      total: nodes.length,
      done: settled.length,
      current: work.filter((one) => !one.lost).map(toInWork)[0] ?? null,
      lost: work.filter((one) => one.lost).map(toInWork),
      settled,
    };
  }

  nodeUnreachable(lost: LostNode | null): void {
    const work = lost === null ? undefined : this.work.get(lost.node);
    if (lost === null || work === undefined || work.workflowRunId !== lost.workflowRunId) return;
    work.lost = true;
    this.unreported.lost.push(lost);
    this.changed();
  }

  nodeEnded(settled: MemberSettled | null): void {
    const work = settled === null ? undefined : this.work.get(settled.node);
    if (settled === null || work === undefined || work.workflowRunId !== settled.workflowRunId) return;
    // At once: whatever else has arrived by now may end this run workflow, which would hand over a node patch that has ended.
    this.settle(settled);
  }

  async restrict(restrictions: RunRestrictions): Promise<void> {
    this.takeRestrictions(restrictions);
    for (const work of this.work.values()) await this.forbidReboots(work);
  }

  private takeRestrictions(restrictions: RunRestrictions): void {
    this.paused = restrictions.paused ?? this.paused;
    this.handOver ||= restrictions.handOver === true;
    this.removed = new Set(restrictions.removedNodes ?? this.removed);
    this.rebootsForbidden ||= restrictions.rebootsForbidden === true;
    this.cancelled ||= restrictions.cancelled === true;
  }

  private async forbidReboots(work: NodeInFlight): Promise<void> {
    const { workflowRunId } = work;
    if (!this.rebootsForbidden || workflowRunId === null || work.rebootsForbidden) return;
    work.rebootsForbidden = true;
    // A node patch that has ended meanwhile reboots nothing any more.
    await this.handleOf(work.node, workflowRunId)
      .signal(forbidRebootsSignal)
      .catch(() => {
        work.unheard = true;
      });
  }

  private handleOf(node: string, workflowRunId: string): ReturnType<typeof getExternalWorkflowHandle> {
    return getExternalWorkflowHandle(nodeWorkflowId(this.input.cluster, node), workflowRunId);
  }

  async run(): Promise<RunResult> {
    CancellationScope.current().cancelRequested.catch(() => {
      this.cancelled = true;
      for (const work of this.work.values()) this.cancelAdopted(work);
    });
    const progressReporter = CancellationScope.nonCancellable(() => this.reportProgress());
    try {
      await this.takeNodes();
    } finally {
      this.ended = true;
      await progressReporter;
    }
    // Nothing is awaited from here on, so what is heard by now is in the report.
    return this.report();
  }

  /** Ends when all nodes have settled, or when the rest is for the next workflow of the run. */
  private async takeNodes(): Promise<void> {
    if (this.work.size > 0) this.show();
    for (const work of this.work.values()) void this.awaitAdopted(work);
    for (const node of this.members) {
      if (this.settledNodes.has(node.name) || this.work.has(node.name)) continue;
      await this.budgetIsFree();
      const skip = this.reasonNotToTry(node) ?? node.quarantined;
      if (skip !== null) {
        this.settle(skip);
        continue;
      }
      if (this.paused || this.historyIsLarge()) return this.onlyLostIsLeft();
      const end = await this.patchUnlessLost(node);
      if (end === 'not-started') return this.onlyLostIsLeft();
    }
    await this.shielded(() => this.work.size === 0 || this.onlyLostInPause());
  }

  private report(): RunResult {
    const cursor = { ...this.cursor, settled: [...this.cursor.settled] };
    if (this.work.size === 0 && this.members.every(({ name }) => this.settledNodes.has(name))) {
      return { end: 'finished', outcome: runOutcome(cursor.settled, this.cancelled), cursor };
    }
    const lost = [...this.work.values()].map(toLostInRun);
    if (lost.length > 0) cursor.lost = lost;
    return { end: 'suspended', outcome: runOutcome(cursor.settled, false), cursor };
  }

  private historyIsLarge(): boolean {
    const settledHere = this.cursor.settled.length - this.alreadySettled;
    // The first node of a run workflow is always taken, or a run would never get on.
    return (
      settledHere >= NODES_PER_RUN_WORKFLOW ||
      (settledHere > 0 && (this.handOver || workflowInfo().continueAsNewSuggested))
    );
  }

  /** Waits while only lost nodes, which may come back, stand between the next node and the failure budget. */
  private async budgetIsFree(): Promise<void> {
    const { onFailure } = this.input.policy;
    await this.shielded(
      () =>
        this.work.size === 0 ||
        this.cancelled ||
        this.paused ||
        !withinBudget(this.cursor.failures, onFailure) ||
        withinBudget(this.cursor.failures + this.work.size, onFailure),
    );
  }

  /** Ends when the node has settled, or when it is lost and goes on in the background. */
  private async patchUnlessLost(node: RunMember): Promise<'begun' | 'not-started'> {
    const work = this.begin(node);
    const patching = this.patch(work, node).then((end): 'begun' | 'not-started' => {
      if (end === 'not-started') {
        this.work.delete(node.name);
        return end;
      }
      this.settle(end);
      return 'begun';
    });
    const isOver = (): boolean => work.lost || this.work.get(node.name) !== work;
    await CancellationScope.nonCancellable(() => Promise.race([patching, condition(isOver)]));
    return work.lost || this.settledNodes.has(node.name) ? 'begun' : patching;
  }

  private onlyLostInPause(): boolean {
    return this.paused && !this.cancelled && this.onlyLost();
  }

  private onlyLost(): boolean {
    return [...this.work.values()].every((work) => work.lost || work.terminated);
  }

  /** A cancelled run still waits for the nodes in work; they are told by their own cancellation. */
  private async shielded(until: () => boolean): Promise<void> {
    if (!until()) await CancellationScope.nonCancellable(() => condition(until));
  }

  /** A lost node is left to the next run workflow, never waited for here. */
  private onlyLostIsLeft(): Promise<void> {
    return this.shielded(() => this.onlyLost());
  }

  /** Takes over a node patch that an earlier run workflow of this run has left. */
  private adopt({ node: name, startedAt, workflowRunId }: LostInRun): void {
    const node = this.nodeOf(name);
    const taskQueue = node?.taskQueue;
    this.work.set(name, {
      ...{ node: name, state: 'patching', startedAt, workflowRunId },
      ...defined({ taskQueue }),
      ...{ child: null, rebootsForbidden: false, lost: true, terminated: false, unheard: false },
    });
  }

  /** Its own signal comes first. One that was terminated sends none, so now and then it is looked for. */
  private async awaitAdopted(work: NodeInFlight): Promise<void> {
    const { node: name, workflowRunId } = work;
    const execution = { workflowId: nodeWorkflowId(this.input.cluster, name), workflowRunId: workflowRunId ?? '' };
    if (this.cancelled) this.cancelAdopted(work);
    await this.forbidReboots(work);
    const look = (): Promise<MemberSettled | null> =>
      nodePatchEnds.awaitNodePatch.executeWithOptions({ summary: `wait for ${name}, which is lost` }, [execution]);
    // A run that is cancelled waits on: its cancellation reaches the node patch, which says how it ended.
    const waiting = new CancellationScope({ cancellable: true, parent: new CancellationScope({ cancellable: false }) });
    const settled = await waiting.run(() =>
      Promise.race([
        look().then(parseSettled, () => null),
        condition(() => work.unheard)
          .then(look)
          .then(parseSettled, () => null),
        condition(() => this.settledNodes.has(name)).then(() => null),
      ]),
    );
    waiting.cancel();
    if (this.settledNodes.has(name)) return;
    this.settle(settled ?? (await this.failedPatch(work, this.nodeOf(name), terminated(name))));
  }

  private nodeOf(name: string): RunMember | undefined {
    return this.members.find((node) => node.name === name);
  }

  /** A child hears of a cancellation from the scope it was started in; one that was adopted does not. */
  private cancelAdopted(work: NodeInFlight): void {
    const { child, lost, node, workflowRunId } = work;
    if (child !== null || !lost || workflowRunId === null) return;
    void CancellationScope.nonCancellable(() => this.handleOf(node, workflowRunId).cancel()).catch(() => {
      work.unheard = true;
    });
  }

  private reasonNotToTry(node: RunMember): MemberSettled | null {
    if (this.removed.has(node.name)) return skippedBecauseRemoved(this.kind, node.name);
    if (this.cancelled) return notTried(this.kind, node.name, `the run was cancelled before this ${this.unit}`);
    if (!withinBudget(this.cursor.failures, this.input.policy.onFailure)) {
      const failed = this.cursor.settled.find((one) => one.outcome === 'failed' && !this.isQuarantined(one.node));
      return notTried(
        this.kind,
        node.name,
        `the run stopped before this ${this.unit} because ${failed?.node ?? `another ${this.unit}`} failed`,
      );
    }
    return null;
  }

  /** A failure that was known before the run is on its record, but does not keep the run from the other nodes. */
  private isQuarantined(node: string): boolean {
    return this.members.some(({ name, quarantined }) => name === node && quarantined !== null);
  }

  private begin(node: RunMember): NodeInFlight {
    const { taskQueue } = node;
    const work: NodeInFlight = {
      node: node.name,
      state: 'patching',
      startedAt: timestamp(),
      workflowRunId: null,
      ...defined({ taskQueue }),
      ...{ child: null, rebootsForbidden: false, lost: false, terminated: false, unheard: false },
    };
    this.work.set(node.name, work);
    this.unreported.started.push(node.name);
    this.changed();
    return work;
  }

  /** `not-started`: paused while another workflow still held the node. */
  private async patch(work: NodeInFlight, node: RunMember): Promise<MemberSettled | 'not-started'> {
    const workflowId = nodeWorkflowId(this.input.cluster, node.name);
    try {
      const start = (): Promise<MemberChild> => {
        work.rebootsForbidden = this.rebootsForbidden;
        return this.startWork(workflowId, node);
      };
      const child = await startLockedChild(workflowId, start, {
        onWaiting: () => {
          work.state = 'waiting';
          this.show();
        },
        // The wait may have been long, and what is allowed may be less than before it.
        shouldStart: () => !this.paused && this.reasonNotToTry(node) === null,
      });
      if (child === null) return this.reasonNotToTry(node) ?? 'not-started';
      work.child = child;
      work.state = 'patching';
      work.workflowRunId = child.firstExecutionRunId;
      this.show();
      await this.forbidReboots(work);
      return await child.result();
    } catch (failure) {
      const settled = settledOf(failure);
      if (settled !== null) return settled;
      // Only when cancellation arrived before the child was started: a started one always answers.
      if (isCancellation(failure) && work.child === null)
        return notTried(this.kind, node.name, `the run was cancelled before this ${this.unit}`);
      return await this.failedPatch(work, node, toErrorInfo(failure, `the patch of ${node.name}`));
    }
  }

  /** The record of a node patch that could not say itself how it ended. */
  private async failedPatch(work: NodeInFlight, node: RunMember | undefined, error: ErrorInfo): Promise<MemberSettled> {
    const { workflowRunId } = work;
    const isKnown = workflowRunId === null || node === undefined;
    work.terminated = !isKnown;
    const known = isKnown ? error : await node.cleanUp(error);
    return failedUnrecorded(this.kind, work.node, toNodeError(known), workflowRunId);
  }

  private startWork(workflowId: string, node: RunMember): Promise<MemberChild> {
    const { cluster, run, trigger, searchAttributes = [] } = this.input;
    const options = {
      ...NODE_CHILD_OPTIONS,
      ...foundBy(cluster, searchAttributes),
      workflowId,
      staticSummary: `${node.name}: run ${run} (${trigger})`,
    };
    return node.start(options, this.rebootsForbidden);
  }

  /** Once: a node patch that was lost says how it ended by a signal, and by its own result. */
  private settle(settled: MemberSettled): void {
    if (this.settledNodes.has(settled.node)) return;
    this.settledNodes.add(settled.node);
    this.work.delete(settled.node);
    this.cursor.settled.push(settled);
    const wasKnown = settled.workflowRunId === null && this.isQuarantined(settled.node);
    if (settled.outcome === 'failed' && !wasKnown) this.cursor.failures += 1;
    this.unreported.settled.push(settled);
    this.changed();
  }

  /** Something that the cluster keeps has changed. */
  private changed(): void {
    this.reportDue = true;
    this.show();
  }

  private show(): void {
    setCurrentDetails(renderRunProgress(this.progress(), this.kind));
  }

  /** Tells the cluster what has happened, in bundles, until the run has ended; the report carries the rest. */
  private async reportProgress(): Promise<void> {
    const { parent } = workflowInfo();
    if (parent === undefined) return;
    const cluster = getExternalWorkflowHandle(parent.workflowId);
    const { run, startedAt } = this.input;
    const { workflowId } = workflowInfo();
    let sentAt = 0;
    for (;;) {
      await condition(() => this.reportDue || this.ended);
      const pause = sentAt + progressIntervalMs(Date.now() - Date.parse(startedAt)) - Date.now();
      if (pause > 0) await condition(() => this.ended, pause);
      // The report has no notices of nodes that are left lost.
      const isLast = this.ended;
      if (isLast && !this.unreported.lost.some(({ node }) => this.work.has(node))) return;
      const { settled, started, lost } = this.unreported;
      this.unreported = newReport();
      this.reportDue = false;
      sentAt = Date.now();
      // A cluster that was terminated is no error: the nodes are settled all the same.
      await cluster
        .signal(runProgressSignal, {
          ...{ run, workflowId, settled },
          started: started.filter((node) => this.work.has(node)),
          ...defined({ lost: lost.length === 0 ? undefined : lost }),
        })
        .catch(() => undefined);
      if (isLast) return;
    }
  }
}

function newReport(): { settled: MemberSettled[]; started: string[]; lost: LostNode[] } {
  return { settled: [], started: [], lost: [] };
}

function membersOf(input: RunInput): RunMember[] {
  return isNodeRun(input)
    ? input.nodes.map((node) => nodeMember(input, node))
    : input.nodes.map(({ name }) => nodeGroupMember(input, name));
}

function toInWork({ node, state, startedAt, workflowRunId, taskQueue }: NodeInFlight): NodeInWork {
  return { node, state, startedAt, workflowRunId, ...defined({ taskQueue }) };
}

function toLostInRun({ node, startedAt, workflowRunId }: NodeInFlight): LostInRun {
  return { node, startedAt, workflowRunId: workflowRunId ?? '' };
}

/** Of a node patch whose end nobody has heard of. */
function terminated(node: string): ErrorInfo {
  return {
    type: 'UnreachableAfterChange',
    message: `the patch of ${node} was terminated in Temporal, so its progress is unknown`,
    remedy: 'check the node; the next run repairs what was left behind',
  };
}
