/**
 * The long-lived workflow of one cluster.
 *
 * Owns the spec, the windows, the status of every node and the history. Handlers only check and file requests; one loop
 * asks `decide` what comes next and does it. Lives for years by continuing as new, carrying its whole state; ends only
 * when the cluster is removed, never because a run failed.
 */
import {
  CancellationScope,
  condition,
  continueAsNew,
  allHandlersFinished,
  startChild,
  workflowInfo,
} from '@temporalio/workflow';
import type { ChildWorkflowHandle } from '@temporalio/workflow';
import { canonicalJson } from '../domain/canonical-json';
import type { ActiveRun, ClusterState } from '../domain/cluster-state';
import {
  finishRun,
  isInWork,
  isPatchable,
  isSelfManaged,
  markLost,
  markStarted,
  readNode,
  recordWindow,
  settleNodes,
  startRun,
} from '../domain/cluster-state';
import type { Decision, RunStart, Surroundings } from '../domain/decide';
import { MAX_GENERATION_MS, SCHEDULE_RETRY_MS, decide, tighteningFor } from '../domain/decide';
import { takeNodeGroups } from '../domain/eks-state';
import type { ErrorInfo } from '../domain/errors';
import { rolloutWorkflowId } from '../domain/ids';
import type { ClusterStatus } from '../domain/messages';
import type { NodeError, NodeSettled } from '../domain/node-status';
import { toNodeError } from '../domain/node-status';
import type { RolloutReport, RunCursor, RunNews } from '../domain/run';
import { notTried, parseNews, quarantinedNodes, skippedBecauseRemoved, unitOf } from '../domain/run';
import { sitesOf, taskQueueOf } from '../domain/sites';
import type { NodeTarget } from '../domain/spec';
import { toStatus } from '../domain/status';
import { SITE_ANSWERS_WITHIN, awsWaiting, glance, local, optionsFor } from './activity-options';
import { registerHandlers } from './cluster-handlers';
import { CHILD_OPTIONS, startExclusiveChild } from './exclusive-child';
import { isNotTakenUp, toErrorInfo } from './failures';
import { tightenSignal } from './messages';
import { rollout } from './rollout';
import { ShopWindow } from './shop-window';
import type { ClusterInput } from './start-argument';
import { initialState } from './start-argument';

/** How many windows ahead are computed at a time. */
const WINDOWS_AHEAD = 5;

/** How long a reboot-pending node may be out of reach before the look at it is put off to the next time. */
const RECHECK_UNREACHABLE_MS = 30_000;

export async function cluster(input: ClusterInput): Promise<ClusterStatus> {
  const work = new ClusterWork(initialState(input));
  registerHandlers(work.state, {
    changed: () => work.changed(),
    news: (value) => work.news(value),
    explain: () => work.explain(),
  });
  return work.run();
}

class ClusterWork {
  private readonly generationStarted = Date.now();
  private dirty = false;
  private activeScope: CancellationScope | null = null;
  private child: ChildWorkflowHandle<typeof rollout> | null = null;
  private toldChild = '';
  private rechecking = false;
  private runsEnded = 0;
  private readonly shopWindow = new ShopWindow();

  constructor(readonly state: ClusterState) {}

  changed(): void {
    this.dirty = true;
  }

  explain(): string {
    const decision = decide(this.state, Date.now(), this.surroundings());
    return decision.why;
  }

  news(value: unknown): void {
    const { run } = this.state;
    const news: RunNews | null = run === null ? null : parseNews(value, run.number);
    if (run === null || news === null) return;
    settleNodes(this.state, run, news.settled);
    const { current } = news;
    if (current !== null && isInWork(run, current)) markStarted(this.state, current);
    markLost(this.state, run, news.lost ?? []);
    this.dirty = true;
  }

  /** Everything runs shielded, because a cancel from the Temporal UI means `remove`: orderly, with clean-up. */
  async run(): Promise<ClusterStatus> {
    CancellationScope.current().cancelRequested.catch(() => {
      this.state.removing ??= 'a cancel request in Temporal';
      this.state.request = null;
      if (this.state.run !== null) this.state.run.state = 'cancelling';
      this.dirty = true;
    });
    return CancellationScope.nonCancellable(() => this.loop());
  }

  private async loop(): Promise<ClusterStatus> {
    await this.shopWindow.open();
    for (;;) {
      this.dirty = false;
      await this.steerRollout();
      const decision = decide(this.state, Date.now(), this.surroundings());
      if (decision.do === 'finish') break;
      await this.carryOut(decision);
    }
    this.publish();
    await condition(allHandlersFinished);
    return toStatus(this.state);
  }

  private async carryOut(decision: Exclude<Decision, { do: 'finish' }>): Promise<void> {
    const { state } = this;
    switch (decision.do) {
      case 'load-windows':
        return this.loadWindows();
      case 'pass-window':
        this.takeWindow(decision.at, decision.result);
        return;
      case 'start-run':
        this.startRun(decision.start);
        return;
      case 'resume-run':
        if (state.run !== null) this.startRollout(state.run);
        return;
      case 'drop-suspended-run':
        if (state.run !== null) this.endRun(state.run, state.run.suspended ?? NOTHING_SETTLED, 'cancelled');
        return;
      case 'recheck':
        this.recheck(decision.nodes);
        return;
      case 'continue-as-new':
        // No await between this check and the call: what arrives before it is in the state, what arrives after is kept
        // by the server for the next generation.
        if (allHandlersFinished() && !this.dirty) await continueAsNew<typeof cluster>({ state });
        else await condition(() => this.dirty || allHandlersFinished());
        return;
      case 'sleep':
        return this.sleep(decision);
    }
  }

  private async sleep(decision: { untilMs: number | null; why: string }): Promise<void> {
    this.publish();
    const now = Date.now();
    // While something is in flight no fresh history can start, so there is nothing to wake up for.
    const generationEnds =
      this.activeScope === null && !this.rechecking ? this.generationStarted + MAX_GENERATION_MS : null;
    const wakeUps = [decision.untilMs, generationEnds].filter((at) => at !== null);
    if (wakeUps.length === 0) {
      await condition(() => this.dirty);
      return;
    }
    const wakeAt = Math.min(...wakeUps);
    await condition(() => this.dirty, Math.max(1, wakeAt - now), {
      summary: `sleep until ${new Date(wakeAt).toISOString()}: ${decision.why}`,
    });
  }

  private surroundings(): Surroundings {
    const old = Date.now() - this.generationStarted >= MAX_GENERATION_MS;
    const due = old || this.runsEnded > 0 || workflowInfo().continueAsNewSuggested;
    return {
      rolloutRunning: this.activeScope !== null,
      freshHistoryDue: due && this.activeScope === null && !this.rechecking,
      rechecking: this.rechecking,
    };
  }

  private async loadWindows(): Promise<void> {
    const { spec } = this.state;
    const asked = this.state.schedule;
    if (!isPatchable(spec) || spec.patching.schedule === undefined) return;
    const { schedule, timeZone } = spec.patching;
    let next: string[] | null = null;
    let error: string | null = null;
    try {
      next = await local.nextWindows({ schedule, timeZone, after: asked.after, count: WINDOWS_AHEAD });
    } catch (failure) {
      error = toErrorInfo(failure, 'computing the next windows').message;
    }
    // A new spec may have come in meanwhile: its windows are asked for by the next decision.
    if (this.state.schedule !== asked) return;
    const retryAt = error === null ? null : new Date(Date.now() + SCHEDULE_RETRY_MS).toISOString();
    this.state.schedule = { ...asked, next, error, retryAt };
  }

  private takeWindow(at: string, result: string): void {
    const { schedule } = this.state;
    const rest = (schedule.next ?? []).filter((start) => Date.parse(start) > Date.parse(at));
    this.state.schedule = {
      ...schedule,
      after: new Date(Date.parse(at)).toISOString(),
      next: rest.length > 0 ? rest : null,
    };
    recordWindow(this.state, at, result);
  }

  private startRun(start: RunStart): void {
    const { state } = this;
    if (start.trigger === 'on-demand') state.request = null;
    if (start.window !== null) this.takeWindow(start.window.at, start.window.result);
    const run = startRun(state, {
      number: state.nextRun,
      trigger: start.trigger,
      startedAt: new Date(Date.now()).toISOString(),
      by: start.by,
      reason: start.reason,
      nodes: start.nodes.map((node) => node.name),
      ...(start.named ? { named: true } : {}),
      ...(start.unlisted ? { unlisted: true } : {}),
      policy: start.policy,
    });
    this.startRollout(run);
  }

  private startRollout(run: ActiveRun): void {
    const { spec } = this.state;
    const scope = new CancellationScope();
    const cursor = this.withoutRemoved(run);
    run.suspended = null;
    this.activeScope = scope;
    this.toldChild = '';
    const specs = new Map(isSelfManaged(spec) ? spec.nodes.map((node) => [node.name, node]) : []);
    const nodes = run.nodes.flatMap((name) => specs.get(name) ?? []);
    const workflowId = rolloutWorkflowId(spec.name, run.number);
    const start = (): Promise<ChildWorkflowHandle<typeof rollout>> =>
      startChild(rollout, {
        ...CHILD_OPTIONS,
        workflowId,
        staticSummary: `run ${run.number} of ${spec.name} (${run.trigger})`,
        args: [
          {
            cluster: spec.name,
            run: run.number,
            trigger: run.trigger,
            startedAt: run.startedAt,
            nodes: run.policy.eks === undefined ? nodes : run.nodes.map((name) => ({ name })),
            policy: { ...run.policy },
            resumeFrom: cursor,
            tightening: tighteningFor(this.state, run),
            ...this.quarantined(run),
          },
        ],
      });
    const work = async (): Promise<RolloutReport> => {
      if (run.unlisted === true) await this.listNodeGroups(run);
      const child = await startExclusiveChild(workflowId, start);
      if (child === null) throw new TypeError('a rollout is always wanted');
      this.child = child;
      this.dirty = true;
      return child.result();
    };
    void scope.run(work).then(
      (report) => this.rolloutEnded(run, report),
      (failure: unknown) => this.rolloutFailed(run, failure),
    );
  }

  /** Asks AWS for the node groups of a run that is about all of them. */
  private async listNodeGroups(run: ActiveRun): Promise<void> {
    if (run.policy.eks === undefined) return;
    const { access } = run.policy.eks;
    const listed = await awsWaiting.listNodegroups.executeWithOptions(
      optionsFor({ name: `EKS cluster ${access.cluster}` }, run.policy, 'its node groups'),
      [{ access }],
    );
    const error = takeNodeGroups(this.state, run, listed);
    if (error !== null) throw new CannotBegin(error);
    this.dirty = true;
  }

  private quarantined(run: ActiveRun): { quarantined?: Record<string, NodeError> } {
    if (run.named === true) return {};
    const names = new Set(run.nodes);
    const quarantined = quarantinedNodes(this.state.nodes.filter(({ name }) => names.has(name)));
    return Object.keys(quarantined).length === 0 ? {} : { quarantined };
  }

  /** The cursor a rollout starts from. Nodes that left the spec before their turn have settled. */
  private withoutRemoved(run: ActiveRun): RunCursor | null {
    if (run.removed.length === 0) return run.suspended;
    const { settled, failures } = run.suspended ?? NOTHING_SETTLED;
    const gone = run.removed.filter((name) => !settled.some((one) => one.node === name));
    const unit = unitOf(run.policy);
    return { settled: [...settled, ...gone.map((name) => skippedBecauseRemoved(name, unit))], failures };
  }

  private rolloutEnded(run: ActiveRun, report: RolloutReport): void {
    this.rolloutIsOver();
    if (report.end === 'suspended') {
      settleNodes(this.state, run, report.cursor.settled);
      run.suspended = report.cursor;
    } else {
      this.endRun(run, report.cursor, report.outcome);
    }
  }

  /** Somebody terminated the rollout, or it was cancelled before it began: its nodes are settled from what is known. */
  private rolloutFailed(run: ActiveRun, failure: unknown): void {
    this.rolloutIsOver();
    const error = failure instanceof CannotBegin ? failure.info : toErrorInfo(failure, `run ${run.number}`);
    const settled = this.state.nodes
      .filter((node) => node.state === 'patching')
      .map((node): NodeSettled => ({ ...notTried(node.name, ''), outcome: 'failed', error: toNodeError(error) }));
    const isCancelled = error.type === 'Cancelled';
    const didNotBegin = run.unlisted === true || failure instanceof CannotBegin;
    this.endRun(
      run,
      { settled, failures: 0 },
      isCancelled ? 'cancelled' : 'failed',
      didNotBegin && !isCancelled ? error : null,
    );
  }

  private rolloutIsOver(): void {
    this.child = null;
    this.activeScope = null;
    this.dirty = true;
  }

  private endRun(
    run: ActiveRun,
    cursor: RunCursor,
    outcome: RolloutReport['outcome'],
    error: ErrorInfo | null = null,
  ): void {
    settleNodes(this.state, run, cursor.settled);
    const rest = run.nodes.filter((name) => run.done[name] === undefined);
    const settled = rest.map((name) => notTried(name, `run ${run.number} ended before this ${unitOf(run.policy)}.`));
    finishRun(this.state, run, settled, outcome, new Date(Date.now()).toISOString(), error);
    this.runsEnded += 1;
    this.dirty = true;
  }

  /** Brings the rollout in line with the state: cancel, pause, removed nodes, reboots no longer allowed. */
  private async steerRollout(): Promise<void> {
    const { run } = this.state;
    if (run === null || this.activeScope === null) return;
    if (run.state === 'cancelling') {
      if (!this.activeScope.consideredCancelled) this.activeScope.cancel();
      return;
    }
    if (this.child === null) return;
    const tightening = tighteningFor(this.state, run);
    const key = canonicalJson(tightening);
    const nothingToSay = !tightening.rebootsForbidden && tightening.removedNodes?.length === 0 && !tightening.paused;
    if (key === this.toldChild || (this.toldChild === '' && nothingToSay)) return;
    this.toldChild = key;
    // A rollout that has ended meanwhile needs no telling.
    await this.child.signal(tightenSignal, tightening).catch(() => undefined);
  }

  /** Looks at reboot-pending nodes without holding up the loop. */
  private recheck(names: string[]): void {
    const { state } = this;
    const runsBefore = state.nextRun;
    this.rechecking = true;
    void (async () => {
      const withoutWorker = new Set<string | undefined>();
      for (const name of names) {
        const spec = isSelfManaged(state.spec) ? state.spec.nodes.find((node) => node.name === name) : undefined;
        // A run knows the node better than this look does.
        if (spec === undefined || state.nextRun !== runsBefore) continue;
        const taskQueue = taskQueueOf(spec, isSelfManaged(state.spec) ? state.spec : {});
        // One node of a site without a worker is enough to wait for.
        if (withoutWorker.has(taskQueue)) continue;
        const { host, ssh, hostKeys } = spec;
        const target = { cluster: state.spec.name, name, host, ssh, hostKeys };
        if ((await this.glanceAt(runsBefore, target, taskQueue)) === 'no-worker') withoutWorker.add(taskQueue);
      }
    })().finally(() => {
      state.recheckedAt = new Date(Date.now()).toISOString();
      this.rechecking = false;
      this.dirty = true;
    });
  }

  private async glanceAt(runsBefore: number, target: NodeTarget, taskQueue?: string): Promise<'ended' | 'no-worker'> {
    const atSite = taskQueue === undefined ? {} : { taskQueue, scheduleToStartTimeout: SITE_ANSWERS_WITHIN };
    try {
      const facts = await glance.readFacts.executeWithOptions(
        { summary: `${target.name}: does it still wait for a reboot?`, ...atSite },
        [{ target, unreachableTimeoutMs: RECHECK_UNREACHABLE_MS }],
      );
      if (this.state.nextRun !== runsBefore) return 'ended';
      readNode(this.state, target.name, facts, new Date(Date.now()).toISOString());
    } catch (failure) {
      // A node that cannot be reached now is looked at again the next time; nothing was asked of it.
      if (isNotTakenUp(failure)) return 'no-worker';
    }
    return 'ended';
  }

  private publish(): void {
    this.shopWindow.show(toStatus(this.state), this.explain(), sitesOf(this.state.spec));
  }
}

/** Why a run ends before its rollout has begun. */
class CannotBegin extends Error {
  constructor(readonly info: ErrorInfo) {
    super(info.message);
  }
}

const NOTHING_SETTLED: RunCursor = { settled: [], failures: 0 };
