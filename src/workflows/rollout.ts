/**
 * One run over a cluster: takes its nodes one at a time and settles every one of them.
 *
 * Owns the order, the failure budget and the cursor. Ends when all nodes have settled, or, put down by a pause or after
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
  startChild,
  workflowInfo,
} from '@temporalio/workflow';
import type { ChildWorkflowHandle } from '@temporalio/workflow';
import { nodeWorkflowId } from '../domain/ids';
import { toSettled } from '../domain/node-patch';
import type { NodeSettled } from '../domain/node-status';
import { toNodeError } from '../domain/node-status';
import { renderRollout } from '../domain/render';
import type { RolloutInput, RolloutProgress, RolloutReport, RunCursor, Tightening } from '../domain/run';
import {
  NODES_PER_ROLLOUT,
  newsIntervalMs,
  notTried,
  parseTightening,
  runOutcome,
  skippedBecauseRemoved,
  withinBudget,
} from '../domain/run';
import type { NodeSpec } from '../domain/spec';
import { CHILD_OPTIONS, startExclusiveChild } from './exclusive-child';
import { toErrorInfo } from './failures';
import { forbidRebootsSignal, progressQuery, runNewsSignal, tightenSignal } from './messages';
import { patchNode } from './patch-node';

export async function rollout(input: RolloutInput): Promise<RolloutReport> {
  const work = new RolloutWork(input);
  setHandler(progressQuery, () => work.progress(), { description: 'How far the run is, node by node.' });
  setHandler(tightenSignal, (value) => work.tighten(parseTightening(value) ?? {}), {
    description: 'From the cluster: what this run may no longer do.',
  });
  return work.run();
}

class RolloutWork {
  private readonly cursor: RunCursor;
  private readonly alreadySettled: number;
  private paused = false;
  private removed: ReadonlySet<string> = new Set();
  private rebootsForbidden = false;
  private cancelled = false;
  private current: RolloutProgress['current'] = null;
  private child: ChildWorkflowHandle<typeof patchNode> | null = null;
  private childTold = false;
  private news: NodeSettled[] = [];
  private newsDue = false;
  private ended = false;

  constructor(private readonly input: RolloutInput) {
    this.cursor = input.resumeFrom ?? { settled: [], failures: 0 };
    this.alreadySettled = this.cursor.settled.length;
    this.takeTightening(input.tightening);
  }

  progress(): RolloutProgress {
    const { settled } = this.cursor;
    const { run, nodes } = this.input;
    return { run, total: nodes.length, done: settled.length, current: this.current, settled };
  }

  async tighten(tightening: Tightening): Promise<void> {
    this.takeTightening(tightening);
    await this.tellChild();
  }

  private takeTightening(tightening: Tightening): void {
    this.paused = tightening.paused ?? this.paused;
    this.removed = new Set(tightening.removedNodes ?? this.removed);
    this.rebootsForbidden ||= tightening.rebootsForbidden === true;
  }

  private async tellChild(): Promise<void> {
    if (!this.rebootsForbidden || this.child === null || this.childTold) return;
    this.childTold = true;
    // A node that has ended meanwhile needs no telling.
    await this.child.signal(forbidRebootsSignal).catch(() => undefined);
  }

  async run(): Promise<RolloutReport> {
    CancellationScope.current().cancelRequested.catch(() => {
      this.cancelled = true;
    });
    const newspaper = CancellationScope.nonCancellable(() => this.publishNews());
    try {
      return await this.takeNodes();
    } finally {
      this.ended = true;
      await newspaper;
    }
  }

  private async takeNodes(): Promise<RolloutReport> {
    const settled = new Set(this.cursor.settled.map((one) => one.node));
    for (const node of this.input.nodes) {
      if (settled.has(node.name)) continue;
      const skip = this.reasonNotToTry(node);
      if (skip !== null) {
        this.settle(skip);
        continue;
      }
      if (this.paused || this.cursor.settled.length - this.alreadySettled >= NODES_PER_ROLLOUT) return this.suspended();
      const end = await this.patch(node);
      if (end === 'not-started') return this.suspended();
      this.settle(end);
    }
    return { end: 'finished', outcome: runOutcome(this.cursor.settled, this.cancelled), cursor: this.cursor };
  }

  private suspended(): RolloutReport {
    return { end: 'suspended', outcome: runOutcome(this.cursor.settled, false), cursor: this.cursor };
  }

  private reasonNotToTry(node: NodeSpec): NodeSettled | null {
    if (this.removed.has(node.name)) {
      return skippedBecauseRemoved(node.name);
    }
    if (this.cancelled) return notTried(node.name, 'the run was cancelled before this node.');
    if (!withinBudget(this.cursor.failures, this.input.policy.onFailure)) {
      const failed = this.cursor.settled.find((one) => one.outcome === 'failed');
      return notTried(node.name, `the run stopped before this node because ${failed?.node ?? 'another node'} failed.`);
    }
    return null;
  }

  /** `not-started`: paused while another workflow still held the node. */
  private async patch(node: NodeSpec): Promise<NodeSettled | 'not-started'> {
    const { cluster, run, trigger, policy } = this.input;
    const workflowId = nodeWorkflowId(cluster, node.name);
    this.setCurrent(node.name, 'patching', null);
    try {
      const start = (): Promise<ChildWorkflowHandle<typeof patchNode>> => {
        const rebootIfRequired = policy.rebootIfRequired && !this.rebootsForbidden;
        this.childTold = this.rebootsForbidden;
        return startChild(patchNode, {
          ...CHILD_OPTIONS,
          workflowId,
          staticSummary: `${node.name}: run ${run} (${trigger})`,
          args: [{ cluster, run, trigger, node, policy: { ...policy, rebootIfRequired } }],
        });
      };
      const child = await startExclusiveChild(workflowId, start, {
        onHeld: () => this.setCurrent(node.name, 'waiting', null),
        // The wait may have been long, and what is allowed may be less than before it.
        stillWanted: () => !this.paused && this.reasonNotToTry(node) === null,
      });
      if (child === null) return this.reasonNotToTry(node) ?? 'not-started';
      this.child = child;
      await this.tellChild();
      this.setCurrent(node.name, 'patching', this.child.firstExecutionRunId);
      const result = await this.child.result();
      return toSettled(result, this.child.firstExecutionRunId);
    } catch (failure) {
      // Only when cancellation arrived before the child was started: a started one always answers.
      if (isCancellation(failure) && this.child === null)
        return notTried(node.name, 'the run was cancelled before this node.');
      return {
        ...notTried(node.name, ''),
        outcome: 'failed',
        error: toNodeError(toErrorInfo(failure, `the patch of ${node.name}`)),
        workflowRunId: this.child?.firstExecutionRunId ?? null,
      };
    } finally {
      this.child = null;
      this.current = null;
    }
  }

  private settle(settled: NodeSettled): void {
    this.cursor.settled.push(settled);
    if (settled.outcome === 'failed') this.cursor.failures += 1;
    this.news.push(settled);
    this.changed();
  }

  private setCurrent(node: string, state: 'patching' | 'waiting', workflowRunId: string | null): void {
    const startedAt = this.current?.node === node ? this.current.startedAt : new Date(Date.now()).toISOString();
    this.current = { node, state, startedAt, workflowRunId };
    this.changed();
  }

  private changed(): void {
    this.newsDue = true;
    setCurrentDetails(renderRollout(this.progress()));
  }

  /** Tells the cluster what has happened, in bundles, until the run has ended; the report carries the rest. */
  private async publishNews(): Promise<void> {
    const { parent } = workflowInfo();
    if (parent === undefined) return;
    const cluster = getExternalWorkflowHandle(parent.workflowId);
    const started = Date.parse(this.input.startedAt);
    for (;;) {
      await condition(() => this.newsDue || this.ended);
      if (this.ended) return;
      const settled = this.news;
      this.news = [];
      this.newsDue = false;
      // A cluster that was terminated is no error: the nodes are settled all the same.
      await cluster
        .signal(runNewsSignal, { run: this.input.run, settled, current: this.current?.node ?? null })
        .catch(() => undefined);
      await condition(() => this.ended, newsIntervalMs(Date.now() - started));
    }
  }
}
