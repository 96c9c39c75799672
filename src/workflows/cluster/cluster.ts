/**
 * The long-lived workflow of one cluster.
 *
 * Owns the spec, the windows, the status of every node and the history. Handlers only check and file requests; one loop
 * asks `decide` what comes next and does it. Lives for years by continuing as new, carrying its whole state; ends only
 * when the cluster is removed, never because a run failed.
 */
import {
  CancellationScope,
  TemporalFailure,
  allHandlersFinished,
  condition,
  continueAsNew,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import { runWorkflowId } from '../../contract/workflow-ids';
import type { ActiveRun, ClusterState } from '../../domain/cluster/state';
import { WINDOWS_AHEAD, consumed, namesFiles, withAhead, withError } from '../../domain/cluster/schedule-state';
import {
  expireRequest,
  expireRunAside,
  isPatchable,
  note,
  closeWindow,
  recordWindow,
  setAsideRun,
  startRun,
  takeRequest,
  takeUpRun,
} from '../../domain/cluster/state';
import type { CalendarAhead } from '../../domain/schedule/window';
import { publishedMetrics } from '../../domain/cluster/published';
import { packState } from '../../domain/cluster/packed-state';
import type { Decision, LoopContext, PassedWindow, RunStart } from '../../domain/cluster/decide';
import { decide } from '../../domain/cluster/decide';
import { DecisionCounter, REST_MS, generationMs } from '../../domain/cluster/pace';
import type { StatusPage } from '../../domain/cluster/messages';
import { readableTimes } from '../../domain/render/markdown';
import type { RunProgress } from '../../domain/run/run';
import { parseProgress } from '../../domain/run/progress-parser';
import { taskQueuesOf } from '../../domain/cluster/task-queues';
import { isNumberUnknown, noteLastRun, noteReset } from '../../domain/cluster/reset';
import { toStatus } from '../../domain/cluster/status';
import { statusLines } from '../../domain/explain/status-line';
import { RowVersions, statusPage } from '../../domain/cluster/status-pages';
import { calendarFiles, local } from '../shared/activity-options';
import type { HandledCluster } from './handlers';
import { registerHandlers } from './handlers';
import { BackgroundChild } from './background-child';
import { startPrefetch } from './prefetch';
import { RunSupervisor } from './run-supervisor';
import { onReset } from '../shared/reset';
import { toErrorInfo } from '../shared/failures';
import { cancelReason } from '../shared/sender';
import { NoticeBoard } from './notices';
import { startRefresh } from './refresh-facts';
import { VisibilityPublisher } from './visibility';
import { MessageQueue } from './message-queue';
import type { ClusterInput } from './start-argument';
import { carriedState, firstState, uncheckedState } from './start-argument';
import { defined } from '../../domain/shared/defined';
import { timestamp } from '../shared/timestamp';
import { WakeTimer } from '../shared/wake-timer';

/** How soon the last run is looked up again after that failed, in milliseconds. */
const LAST_RUN_RETRY_MS = 30_000;

export async function cluster(...inputs: [ClusterInput?, ...unknown[]]): Promise<StatusPage> {
  // A cancel from the Temporal UI means `remove`: orderly, with clean-up. So everything runs shielded.
  const cancelled = CancellationScope.current().cancelRequested;
  return CancellationScope.nonCancellable(async () => {
    const carried = carriedState(inputs[0]);
    const begun = new BegunCluster();
    onReset(() => begun.reset());
    // What a workflow was started with by somebody has to be admitted; what it has carried on itself was.
    if (carried !== null) begun.loop = new ClusterLoop(carried);
    const queue = new MessageQueue();
    // Messages that are there already are handed over as the handlers are registered.
    const begins = carried === null ? queue.run(() => begun.begin(inputs)) : null;
    const handlers = registerHandlers(begun, queue);
    if (begins !== null) {
      await begins;
      // Whoever waits for a cluster that does not come into being hears why.
      if (!begun.isThere) await condition(allHandlersFinished);
    }
    const { loop } = begun;
    return failTaskOnly(() => loop.run(cancelled, () => handlers.removeByCancellation(cancelReason())));
  });
}

/**
 * Nothing but continue-as-new and the orderly end of a removed cluster leaves the workflow. A failed task is tried again
 * and goes on once it can; a failed workflow is a cluster that is gone.
 */
async function failTaskOnly<T>(body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (failure) {
    if (!(failure instanceof TemporalFailure)) throw failure;
    throw new Error(`the cluster cannot continue: ${failure.message}`, { cause: failure });
  }
}

/** A cluster for those who have messages for it: there from the start, its loop once the first spec is known to be good. */
class BegunCluster implements HandledCluster {
  private known: ClusterLoop | null = null;
  private wasReset = false;
  /** For queries, while a worker checks it; every message waits. */
  private unchecked: ClusterState | null = null;
  private failure: unknown = new Error('the first spec of the cluster is being checked');

  async begin(inputs: readonly unknown[]): Promise<void> {
    this.unchecked = uncheckedState(inputs[0]);
    try {
      const { state, searchAttributes } = await firstState(inputs);
      this.loop = new ClusterLoop(state, searchAttributes);
    } catch (failure) {
      this.failure = failure;
    }
    this.unchecked = null;
  }

  get isThere(): boolean {
    return this.known !== null;
  }

  set loop(loop: ClusterLoop) {
    this.known = loop;
    if (this.wasReset) this.reset();
  }

  reset(): void {
    this.wasReset = this.known === null;
    this.known?.reset();
  }

  get loop(): ClusterLoop {
    if (this.known === null) throw this.failure;
    return this.known;
  }

  get state(): ClusterState {
    return this.unchecked ?? this.loop.state;
  }

  get versions(): RowVersions {
    return this.unchecked === null ? this.loop.versions : new RowVersions(workflowInfo().runId);
  }

  changed(): void {
    this.loop.changed();
  }

  progress(value: unknown): void {
    this.loop.progress(value);
  }

  explain(): string {
    return this.unchecked === null ? this.loop.explain() : 'a worker checks the state that the cluster goes on from';
  }
}

class ClusterLoop {
  private readonly historyStarted = Date.now();
  private readonly generationMs: number;
  private isStale = false;
  /** A cancellation in Temporal is being admitted. */
  private isCancelling = false;
  private readonly runSupervisor: RunSupervisor;
  private readonly prefetch: BackgroundChild;
  private readonly refresh: BackgroundChild;
  private readonly visibility: VisibilityPublisher;
  private readonly board: NoticeBoard;
  private readonly wakeTimer = new WakeTimer();
  readonly versions = new RowVersions(workflowInfo().runId);

  /** `searchAttributes`: those that may be written; null when they are not known yet. */
  constructor(
    readonly state: ClusterState,
    searchAttributes: string[] | null = null,
  ) {
    this.visibility = new VisibilityPublisher(searchAttributes);
    this.generationMs = generationMs(state.spec.name);
    this.runSupervisor = new RunSupervisor(state, this.visibility, () => this.changed());
    this.prefetch = new BackgroundChild(state, () => this.changed());
    this.refresh = new BackgroundChild(state, () => this.changed());
    this.board = new NoticeBoard(state, () => this.changed());
  }

  changed(): void {
    this.isStale = true;
  }

  /** Somebody has reset the workflow in Temporal. */
  reset(): void {
    noteReset(this.state, timestamp());
    this.changed();
  }

  explain(): string {
    const decision = decide(this.state, Date.now(), this.context());
    return decision.message;
  }

  progress(value: unknown): void {
    const { run } = this.state;
    const progress: RunProgress | null =
      run === null ? null : parseProgress(value, run.number, this.runWorkflowId(run));
    if (run === null || progress === null) return;
    this.runSupervisor.noteProgress(run, progress);
  }

  private runWorkflowId({ number }: ActiveRun): string {
    return runWorkflowId(this.state.spec.name, this.state.createdAt, number);
  }

  /** `cancelled` rejects when somebody cancels the workflow, which asks for `remove`. */
  async run(cancelled: Promise<never>, remove: () => Promise<void>): Promise<StatusPage> {
    cancelled.catch(async () => {
      this.isCancelling = true;
      await remove();
      this.isCancelling = false;
      this.changed();
    });
    return this.loop();
  }

  private async loop(): Promise<StatusPage> {
    await this.visibility.load();
    const counter = new DecisionCounter();
    for (;;) {
      this.isStale = false;
      this.versions.note(this.state.nodes);
      this.prefetch.stopUnlessIdle();
      this.refresh.stopUnlessIdle();
      if (isNumberUnknown(this.state) && this.state.removing === null) {
        await this.findLastRun();
        continue;
      }
      await this.runSupervisor.syncRestrictions(workflowInfo().continueAsNewSuggested);
      const decision = decide(this.state, Date.now(), this.context());
      if (decision.do === 'finish') break;
      if (decision.do === 'sleep') {
        counter.reset();
        delete this.state.loopError;
      } else if (counter.isRunaway(this.state.schedule.after)) {
        await this.rest(decision);
        counter.reset();
        continue;
      }
      await this.execute(decision);
    }
    this.publish();
    await this.board.flush();
    await condition(allHandlersFinished);
    return statusPage(this.state, this.explain(), this.versions, {}, Date.now());
  }

  /** Until the number of the next run is known no run starts, and none that is in progress goes on to another node. */
  private async findLastRun(): Promise<void> {
    const { spec, createdAt, nextRun } = this.state;
    try {
      noteLastRun(this.state, await local.lastRun({ cluster: spec.name, createdAt, after: nextRun - 1 }));
    } catch {
      await this.runSupervisor.syncRestrictions(false);
      await sleep(LAST_RUN_RETRY_MS, { summary: 'the number of the last run is looked up again' });
    }
  }

  private async execute(decision: Exclude<Decision, { do: 'finish' }>): Promise<void> {
    const { state } = this;
    switch (decision.do) {
      case 'load-windows':
        return this.loadWindows();
      case 'skip-window':
        this.consumeWindow(decision.window);
        return;
      case 'close-window':
        closeWindow(state, decision.window, timestamp());
        return;
      case 'start-run':
        this.startRun(decision.start);
        return;
      case 'resume-run':
        if (state.run !== null) this.runSupervisor.start(state.run);
        return;
      case 'abort-suspended-run':
        if (state.run !== null) this.runSupervisor.drop(state.run);
        return;
      case 'expire-run':
        if (state.run !== null) this.runSupervisor.expire(state.run, decision.why);
        return;
      case 'expire-request':
        expireRequest(state, decision.request, timestamp());
        return;
      case 'set-aside-run':
        setAsideRun(state);
        return;
      case 'take-up-run':
        takeUpRun(state);
        return;
      case 'expire-run-aside':
        expireRunAside(state, decision.why, timestamp());
        return;
      case 'refresh-facts':
        startRefresh(this.refresh, state, decision);
        return;
      case 'prefetch':
        startPrefetch(this.prefetch, state, decision);
        return;
      case 'continue-as-new':
        // No await between this check and the call: what arrives before it is in the state, what arrives after is kept
        // by the server for the next execution.
        if (allHandlersFinished() && !this.isCancelling && !this.isStale)
          await continueAsNew<typeof cluster>({ state: packState(state) });
        else await condition(() => this.isStale || (allHandlersFinished() && !this.isCancelling));
        return;
      case 'sleep':
        return this.sleep(decision);
    }
  }

  /** A loop that gets nowhere would keep the one thread that runs workflows from all other clusters. */
  private async rest(decision: Decision): Promise<void> {
    this.state.loopError = `the cluster keeps deciding without an end (${decision.do}: ${decision.message}); the cluster is idle until ${new Date(Date.now() + REST_MS).toISOString()}`;
    this.publish();
    void this.board.settle();
    const { removing } = this.state;
    await condition(() => this.state.removing !== removing, REST_MS, { summary: readableTimes(this.state.loopError) });
  }

  private async sleep(decision: { untilMs: number | null; message: string }): Promise<void> {
    this.publish();
    this.board.sync();
    this.runSupervisor.watchLost();
    // While something is in flight no fresh history can start, so there is nothing to wake up for.
    const historyEnds = this.isInFlight ? null : this.historyStarted + this.generationMs;
    const wakeUps = [decision.untilMs, historyEnds, this.board.nextMs, this.visibility.dueAtMs].filter(
      (at) => at !== null,
    );
    const wakeAt = wakeUps.length === 0 ? null : Math.min(...wakeUps);
    // Metrics that are published then are nothing that anybody waits for.
    const until =
      wakeAt === null || wakeAt === this.visibility.dueAtMs ? '' : `sleep until ${new Date(wakeAt).toISOString()}: `;
    await this.wakeTimer.sleep(() => this.isStale, wakeAt, readableTimes(`${until}${decision.message}`));
  }

  private context(): LoopContext {
    const old = Date.now() - this.historyStarted >= this.generationMs;
    const due = old || this.runSupervisor.ended > 0 || workflowInfo().continueAsNewSuggested;
    return {
      runWorkflowRunning: this.runSupervisor.isRunning,
      continueAsNewDue: due && !this.isInFlight,
      runPutDown: this.runSupervisor.hasPutDown,
      refreshingFacts: this.refresh.isRunning,
      prefetching: this.prefetch.isRunning,
    };
  }

  private get isInFlight(): boolean {
    const { runSupervisor, refresh, prefetch, board } = this;
    return runSupervisor.isRunning || refresh.isRunning || prefetch.isRunning || board.isBusy;
  }

  private async loadWindows(): Promise<void> {
    const { spec } = this.state;
    const asked = this.state.schedule;
    if (!isPatchable(spec)) return;
    const { schedule = [], timeZone, blackouts = [] } = spec.patching;
    const files = namesFiles(spec);
    const { since, after } = asked;
    const input = {
      ...{ cluster: spec.name, schedule, timeZone, blackouts, since, after },
      ...{ now: timestamp(), count: WINDOWS_AHEAD },
    };
    let ahead: CalendarAhead | null = null;
    let error = '';
    try {
      ahead = await (files ? calendarFiles.nextWindowsByFiles(input) : local.nextWindows(input));
    } catch (failure) {
      const { message, remedy } = toErrorInfo(failure, 'computing the next windows');
      error = remedy === undefined ? message : `${message}; fix: ${remedy}`;
    }
    // A new spec may have come in meanwhile: its windows are requested by the next decision.
    if (this.state.schedule !== asked) return;
    if (ahead !== null) {
      this.state.schedule = withAhead(asked, ahead, Date.now(), files);
      return;
    }
    note(this.state, { kind: 'windows-unknown', message: error }, timestamp());
    this.state.schedule = withError(asked, error, Date.now(), files);
  }

  /** `of`: the start of the window of which the processed one is a part. */
  private consumeWindow({ at, of, result, served }: PassedWindow): void {
    this.state.schedule = consumed(this.state.schedule, at, served ? of : null, Date.now());
    if (result !== null) recordWindow(this.state, of, result, timestamp());
  }

  private startRun(start: RunStart): void {
    const { state } = this;
    const { request } = start;
    if (request !== null) takeRequest(state, request);
    if (start.window !== null) this.consumeWindow(start.window);
    const run = startRun(state, {
      number: request?.number ?? state.nextRun,
      ...defined({ requestId: request?.id }),
      trigger: start.trigger,
      startedAt: timestamp(),
      by: start.by,
      ...defined({ verified: request?.verified }),
      reason: start.reason,
      nodes: start.nodes.map((node) => node.name),
      ...defined({
        explicitNodes: start.explicitNodes ? (true as const) : undefined,
        nodeGroupsUnresolved: start.nodeGroupsUnresolved ? (true as const) : undefined,
      }),
      policy: start.policy,
      ...defined({
        bound: start.bound,
        ignoresWindows: request?.ignoreWindow,
        deadline: request?.deadline,
      }),
    });
    this.runSupervisor.start(run);
  }

  private publish(): void {
    const status = toStatus(this.state);
    const lines = statusLines({ ...status, explanation: this.explain() }, Date.now());
    this.visibility.publish(status, lines, taskQueuesOf(this.state.spec), publishedMetrics(this.state));
  }
}
