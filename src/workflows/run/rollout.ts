/**
 * One run over a cluster: takes its nodes one at a time and settles every one of them.
 *
 * Owns the order, the failure budget and the cursor. A node that cannot be reached for long after a change was begun there
 * counts against the budget until it is back; where the budget allows it, the others go on meanwhile. Ends when all nodes have settled, or, put down by a pause or after
 * enough nodes for one history, with a cursor from which the next rollout of the same run goes on. Cancelled, it starts
 * no further node and waits for the one in flight.
 */
import {
  CancellationScope,
  condition,
  getExternalWorkflowHandle,
  isCancellation,
  setCurrentDetails,
  setHandler,
  sleep,
  startChild,
  workflowInfo,
} from '@temporalio/workflow';
import type { ChildWorkflowHandle } from '@temporalio/workflow';
import type { ErrorInfo } from '../../domain/shared/errors';
import { nodeWorkflowId } from '../../contract/workflow-ids';
import { leftCordoned } from '../../domain/kubernetes/drain-record';
import { toSettled } from '../../domain/node/patch';
import type { NodeSettled } from '../../domain/node/status';
import { toNodeError } from '../../domain/node/status';
import { renderRollout } from '../../domain/render/cluster';
import type {
  LostNode,
  NodeGroupName,
  NodeInWork,
  RolloutInput,
  RolloutProgress,
  RolloutReport,
  RunCursor,
  RunRestrictions,
} from '../../domain/run/run';
import {
  NODES_PER_ROLLOUT,
  leftInQuarantine,
  newsIntervalMs,
  notTried,
  parseLost,
  parseTightening,
  runOutcome,
  skippedBecauseRemoved,
  unitOf,
  withinBudget,
} from '../../domain/run/run';
import { taskQueueOf } from '../../domain/cluster/task-queues';
import type { NodeSpec } from '../../domain/spec/types';
import { updateNodegroup } from '../eks/update-nodegroup';
import { CHILD_OPTIONS, startLockedChild } from '../shared/locked-child';
import { toErrorInfo } from '../shared/failures';
import {
  forbidRebootsSignal,
  nodeLostSignal,
  progressQuery,
  runProgressSignal,
  tightenSignal,
} from '../../contract/messages';
import { uncordonOwn } from '../node/drain';
import { patchNode } from '../node/patch-node';

export async function rollout(input: RolloutInput): Promise<RolloutReport> {
  const work = new RunLoop(input);
  setHandler(progressQuery, () => work.progress(), { description: 'How far the run is, node by node.' });
  setHandler(tightenSignal, (value) => work.restrict(parseTightening(value) ?? {}), {
    description: 'From the cluster: what this run may no longer do.',
  });
  setHandler(nodeLostSignal, (value) => work.nodeUnreachable(parseLost(value)), {
    description: 'From a node patch: the node has been unreachable for long, and is still waited for',
  });
  return work.run();
}

/**
 * Activities of a workflow that was terminated hear of it by their next heartbeat, one every 10 s. Until then they may
 * still cordon a node or evict pods.
 */
const ORPHAN_ACTIVITY_GRACE = '15 seconds';

/** One node patch that has not ended. */
interface Work extends NodeInWork {
  child: NodeChild | null;
  childTold: boolean;
  lost: boolean;
  /** Tells whoever waits for the node that it is lost. */
  markUnreachable: () => void;
}

type RunNode = NodeSpec | NodeGroupName;

/** What works on one node or node group. */
type NodeChild = ChildWorkflowHandle<typeof patchNode> | ChildWorkflowHandle<typeof updateNodegroup>;

class RunLoop {
  private readonly cursor: RunCursor;
  private readonly alreadySettled: number;
  private readonly unit: ReturnType<typeof unitOf>;
  private paused = false;
  private removed: ReadonlySet<string> = new Set();
  private rebootsForbidden = false;
  private cancelled = false;
  private readonly work = new Map<string, Work>();
  private news: NodeSettled[] = [];
  private lostNews: LostNode[] = [];
  private newsDue = false;
  private ended = false;

  constructor(private readonly input: RolloutInput) {
    this.cursor = input.resumeFrom ?? { settled: [], failures: 0 };
    this.alreadySettled = this.cursor.settled.length;
    this.unit = unitOf(input.policy);
    this.takeRestrictions(input.tightening);
  }

  progress(): RolloutProgress {
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

  nodeUnreachable(told: LostNode | null): void {
    const work = told === null ? undefined : this.work.get(told.node);
    if (told === null || work === undefined) return;
    work.lost = true;
    work.markUnreachable();
    this.lostNews.push(told);
    this.changed();
  }

  async restrict(tightening: RunRestrictions): Promise<void> {
    this.takeRestrictions(tightening);
    for (const work of this.work.values()) await this.tellChild(work);
  }

  private takeRestrictions(tightening: RunRestrictions): void {
    this.paused = tightening.paused ?? this.paused;
    this.removed = new Set(tightening.removedNodes ?? this.removed);
    this.rebootsForbidden ||= tightening.rebootsForbidden === true;
  }

  private async tellChild(work: Work): Promise<void> {
    if (!this.rebootsForbidden || work.child === null || work.childTold) return;
    work.childTold = true;
    // A node that has ended meanwhile needs no telling.
    await work.child.signal(forbidRebootsSignal).catch(() => undefined);
  }

  async run(): Promise<RolloutReport> {
    CancellationScope.current().cancelRequested.catch(() => {
      this.cancelled = true;
    });
    const progressReporter = CancellationScope.nonCancellable(() => this.reportProgress());
    try {
      return await this.takeNodes();
    } finally {
      this.ended = true;
      await progressReporter;
    }
  }

  private async takeNodes(): Promise<RolloutReport> {
    const settled = new Set(this.cursor.settled.map((one) => one.node));
    for (const node of this.input.nodes) {
      if (settled.has(node.name)) continue;
      await this.budgetIsFree();
      const skip = this.reasonNotToTry(node) ?? this.inQuarantine(node);
      if (skip !== null) {
        this.settle(skip);
        continue;
      }
      if (this.paused || this.cursor.settled.length - this.alreadySettled >= NODES_PER_ROLLOUT) return this.suspended();
      const end = await this.patchUnlessLost(node);
      if (end === 'not-started') return this.suspended();
    }
    await this.allSettled();
    return { end: 'finished', outcome: runOutcome(this.cursor.settled, this.cancelled), cursor: this.cursor };
  }

  /** Waits while only lost nodes, which may come back, stand between the next node and the failure budget. */
  private async budgetIsFree(): Promise<void> {
    if (this.work.size === 0) return;
    const { onFailure } = this.input.policy;
    await this.shielded(
      () =>
        this.cancelled ||
        !withinBudget(this.cursor.failures, onFailure) ||
        withinBudget(this.cursor.failures + this.work.size, onFailure),
    );
  }

  /** Ends when the node has settled, or when it is lost and goes on in the background. */
  private async patchUnlessLost(node: RunNode): Promise<'settled' | 'lost' | 'not-started'> {
    let markUnreachable = (): void => undefined;
    const lost = new Promise<'lost'>((resolve) => {
      markUnreachable = () => resolve('lost');
    });
    const patching = this.patch(node, markUnreachable).then((end): 'settled' | 'not-started' => {
      if (end === 'not-started') return end;
      this.settle(end);
      return 'settled';
    });
    return Promise.race([patching, lost]);
  }

  private allSettled(): Promise<void> {
    return this.work.size === 0 ? Promise.resolve() : this.shielded(() => this.work.size === 0);
  }

  /** A cancelled run still waits for the nodes in work; they are told by their own cancellation. */
  private shielded(until: () => boolean): Promise<void> {
    return CancellationScope.nonCancellable(() => condition(until));
  }

  private async suspended(): Promise<RolloutReport> {
    await this.allSettled();
    return { end: 'suspended', outcome: runOutcome(this.cursor.settled, false), cursor: this.cursor };
  }

  private reasonNotToTry(node: RunNode): NodeSettled | null {
    if (this.removed.has(node.name)) {
      return skippedBecauseRemoved(node.name, this.unit);
    }
    if (this.cancelled) return notTried(node.name, `the run was cancelled before this ${this.unit}`);
    if (!withinBudget(this.cursor.failures, this.input.policy.onFailure)) {
      const failed = this.cursor.settled.find((one) => one.outcome === 'failed' && !this.isQuarantined(one.node));
      return notTried(
        node.name,
        `the run stopped before this ${this.unit} because ${failed?.node ?? `another ${this.unit}`} failed`,
      );
    }
    return null;
  }

  /** A failure that was known before the run is on its record, but does not keep the run from the other nodes. */
  private inQuarantine(node: RunNode): NodeSettled | null {
    const error = this.input.quarantined?.[node.name];
    return error === undefined ? null : leftInQuarantine(node.name, error);
  }

  private isQuarantined(node: string): boolean {
    return this.input.quarantined?.[node] !== undefined;
  }

  /** `not-started`: paused while another workflow still held the node. */
  private async patch(node: RunNode, markUnreachable: () => void): Promise<NodeSettled | 'not-started'> {
    const { cluster, policy } = this.input;
    const workflowId = nodeWorkflowId(cluster, node.name);
    const taskQueue = taskQueueOf(node, policy);
    const work: Work = {
      node: node.name,
      state: 'patching',
      startedAt: new Date(Date.now()).toISOString(),
      workflowRunId: null,
      ...(taskQueue === undefined ? {} : { taskQueue }),
      child: null,
      childTold: false,
      lost: false,
      markUnreachable,
    };
    this.work.set(node.name, work);
    this.changed();
    try {
      const start = (): Promise<NodeChild> => {
        work.childTold = this.rebootsForbidden;
        return this.startWork(workflowId, node);
      };
      const child = await startLockedChild(workflowId, start, {
        onWaiting: () => {
          work.state = 'waiting';
          this.changed();
        },
        // The wait may have been long, and what is allowed may be less than before it.
        shouldStart: () => !this.paused && this.reasonNotToTry(node) === null,
      });
      if (child === null) return this.reasonNotToTry(node) ?? 'not-started';
      work.child = child;
      await this.tellChild(work);
      work.state = 'patching';
      work.workflowRunId = child.firstExecutionRunId;
      this.changed();
      const result = await child.result();
      return toSettled(result, child.firstExecutionRunId);
    } catch (failure) {
      // Only when cancellation arrived before the child was started: a started one always answers.
      if (isCancellation(failure) && work.child === null)
        return notTried(node.name, `the run was cancelled before this ${this.unit}`);
      return {
        ...notTried(node.name, ''),
        outcome: 'failed',
        error: toNodeError(
          await this.cleanUpTerminatedPatch(work, node, toErrorInfo(failure, `the patch of ${node.name}`)),
        ),
        workflowRunId: work.workflowRunId,
      };
    } finally {
      this.work.delete(node.name);
    }
  }

  /** A node patch that was terminated cannot take its cordon off any more. */
  private async cleanUpTerminatedPatch({ child }: Work, node: RunNode, error: ErrorInfo): Promise<ErrorInfo> {
    const { cluster, policy } = this.input;
    if (policy.kubernetes === undefined || child === null || !isNode(node)) return error;
    await CancellationScope.nonCancellable(() => sleep(ORPHAN_ACTIVITY_GRACE));
    const inTheWay = await uncordonOwn(cluster, node, policy);
    return inTheWay === null ? error : leftCordoned(cluster, node.name, inTheWay, error);
  }

  private startWork(workflowId: string, node: RunNode): Promise<NodeChild> {
    const { cluster, run, trigger, startedAt, policy } = this.input;
    const options = { ...CHILD_OPTIONS, workflowId, staticSummary: `${node.name}: run ${run} (${trigger})` };
    if (!isNode(node)) {
      const input = { cluster, run, trigger, startedAt, nodeGroup: node.name, policy };
      return startChild(updateNodegroup, { ...options, args: [input] });
    }
    const rebootIfRequired = policy.rebootIfRequired && !this.rebootsForbidden;
    const uncuredReboot = this.input.uncuredReboots?.[node.name];
    return startChild(patchNode, {
      ...options,
      args: [
        {
          ...{ cluster, run, trigger, node, policy: { ...policy, rebootIfRequired } },
          ...(uncuredReboot === undefined ? {} : { uncuredReboot }),
        },
      ],
    });
  }

  private settle(settled: NodeSettled): void {
    this.cursor.settled.push(settled);
    const wasKnown = settled.workflowRunId === null && this.isQuarantined(settled.node);
    if (settled.outcome === 'failed' && !wasKnown) this.cursor.failures += 1;
    this.news.push(settled);
    this.changed();
  }

  private changed(): void {
    this.newsDue = true;
    setCurrentDetails(renderRollout(this.progress(), this.unit));
  }

  /** Tells the cluster what has happened, in bundles, until the run has ended; the report carries the rest. */
  private async reportProgress(): Promise<void> {
    const { parent } = workflowInfo();
    if (parent === undefined) return;
    const cluster = getExternalWorkflowHandle(parent.workflowId);
    const started = Date.parse(this.input.startedAt);
    for (;;) {
      await condition(() => this.newsDue || this.ended);
      if (this.ended) return;
      const settled = this.news;
      const lost = this.lostNews;
      this.news = [];
      this.lostNews = [];
      this.newsDue = false;
      // A cluster that was terminated is no error: the nodes are settled all the same.
      await cluster
        .signal(runProgressSignal, {
          run: this.input.run,
          workflowId: workflowInfo().workflowId,
          settled,
          current: this.progress().current?.node ?? null,
          ...(lost.length === 0 ? {} : { lost }),
        })
        .catch(() => undefined);
      await condition(() => this.ended, newsIntervalMs(Date.now() - started));
    }
  }
}

function isNode(node: RunNode): node is NodeSpec {
  return 'host' in node;
}

function toInWork({ node, state, startedAt, workflowRunId, taskQueue }: Work): NodeInWork {
  return { node, state, startedAt, workflowRunId, ...(taskQueue === undefined ? {} : { taskQueue }) };
}
