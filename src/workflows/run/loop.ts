/** The loop of a run workflow: asks `nextStep` after everything that happens, and carries the answer out. */
import { CancellationScope, condition, workflowInfo } from '@temporalio/workflow';
import type { MemberKind, MemberName, MemberSettled } from '../../domain/cluster/member';
import { memberName } from '../../domain/cluster/member';
import { isAlertHold } from '../../domain/alerts/gate';
import type { AlertReading } from '../../domain/alerts/types';
import { runDetail } from '../../domain/run/detail';
import type { Forecast, RunForecasts } from '../../domain/run/forecast';
import { forecastAt, forecasterOf, runForecasts } from '../../domain/run/forecast';
import { holdReport } from '../../domain/run/hold-report';
import type { RunLimits } from '../../domain/run/limits';
import type { RunHold, RunView, Step } from '../../domain/run/next-step';
import { closesMs, nextStep } from '../../domain/run/next-step';
import { RunPlaces } from '../../domain/run/places';
import type {
  HandedOverPatch,
  LostNode,
  OutageRequest,
  PatchLimits,
  NodeInWork,
  RunCursor,
  RunInput,
  RunProgressPage,
  RunRestrictions,
  RunResult,
  RunTrigger,
} from '../../domain/run/run';
import type { RunWindow } from '../../domain/run/window-end';
import { countsAsFailure, isNodeRun, notTried, runOutcome, skipped, skippedBecauseRemoved } from '../../domain/run/run';
import type { RunStage } from '../../domain/run/stages';
import { stageNumbers } from '../../domain/run/stages';
import { isBackInQueue } from '../../domain/run/window-end';
import { defined } from '../../domain/shared/defined';
import { SECOND_MS } from '../../domain/shared/time-units';
import { timestamp } from '../shared/timestamp';
import { Quarantine } from './quarantine';
import { AlertGate } from './alert-gate';
import { Availability, LOOK_AGAIN_MS } from './availability';
import type { RunMember } from './member';
import { membersOf } from './members';
import { Outages } from './outages';
import type { PatchInFlight, PatchOwner } from './patches';
import { briefReport, isHistoryFull } from '../../domain/run/hand-over-size';
import { RunPatches } from './patches';
import { ProgressReporter } from './progress-reporter';

/** A list of members that is shown to people has at most so many. */
const MAX_SHOWN = 100;

/** A node is taken out of service only on an answer that is no older than this. */
const OUTAGE_FRESH_MS = SECOND_MS;

/** Node patches that Temporal is starting at the same time. */
const MAX_STARTING = 50;

export class RunLoop implements PatchOwner {
  readonly cluster: string;
  readonly run: number;
  readonly trigger: RunTrigger;
  readonly kind: MemberKind;
  readonly searchAttributes: readonly string[];
  private readonly unit: MemberName;
  private readonly members: ReadonlyMap<string, RunMember>;
  private readonly places: RunPlaces;
  private readonly stages: readonly RunStage[];
  private readonly patches: RunPatches;
  private readonly reporter: ProgressReporter;
  /** Null: node groups, of which AWS takes care. */
  private readonly availability: Availability | null;
  /** Null: alerts do not hold the run. */
  private readonly gate: AlertGate | null;
  private readonly outages: Outages;
  private readonly quarantine: Quarantine | null;
  private settledMembers: MemberSettled[];
  /** Members that this run workflow has started or settled. */
  private taken = 0;
  private limits: RunLimits;
  private failures: number;
  private openStage: number;
  private lastSettledAt: string | undefined;
  private hold: RunHold | null;
  private heldSince: string | undefined;
  private paused = false;
  private handOver = false;
  /** Once begun, a hand-over starts no member any more. */
  private handsOver = false;
  private cancelled = false;
  /** Why the run was given up. */
  private expired: string | undefined;
  private removed: ReadonlySet<string> = new Set();
  private noReboots = false;
  private skips: Readonly<Record<string, string>> = {};
  /** The same of members that may have been started. */
  private withdrawn: Readonly<Record<string, string>> = {};
  private locks: NonNullable<RunRestrictions['locked']> = {};
  /** As far as they are taken in. */
  private readonly retried: Record<string, number>;
  private isStale = false;
  private isShown = true;
  /** Null: the run has no end. */
  private runWindow: RunWindow | null = null;
  private readonly forecasts: RunForecasts;
  private readonly order: ReadonlyMap<string, number>;

  /** `show` is called with what a person is to see of the run. */
  constructor(
    private readonly input: RunInput,
    private readonly show: (progress: RunProgressPage) => void,
  ) {
    const { cluster, run, trigger, policy, searchAttributes = [] } = input;
    this.cluster = cluster;
    this.run = run;
    this.trigger = trigger;
    this.kind = policy.kind;
    this.unit = memberName(policy.kind);
    this.searchAttributes = searchAttributes;
    const { settled, failures, inFlight = [], ...place } = input.resumeFrom ?? nothingSettled();
    const { openStage = 0, lastSettledAt, retried = {}, hold = null, holdSince } = place;
    this.hold = hold;
    this.heldSince = holdSince;
    this.settledMembers = [...settled];
    this.failures = failures;
    this.openStage = openStage;
    this.lastSettledAt = lastSettledAt;
    this.retried = { ...retried };
    this.limits = policy.limits;
    this.stages = stagesOf(input);
    this.members = new Map(membersOf(input).map((member) => [member.name, member]));
    this.places = placesOf(input, this.stages);
    this.order = new Map(this.places.names.map((name, at) => [name, at]));
    this.forecasts = input.forecasts ?? runForecasts([], forecasterOf([]));
    for (const { node } of settled) this.places.move(node, 'settled');
    this.patches = new RunPatches(this.members, this);
    this.availability = isNodeRun(input) ? new Availability(input) : null;
    const { alertGate, taskQueue } = policy;
    this.gate = alertGate === undefined ? null : new AlertGate(alertGate, taskQueue, this, isAlertHold(hold));
    this.outages = new Outages(cluster);
    this.quarantine = isNodeRun(input) ? new Quarantine(input) : null;
    this.reporter = new ProgressReporter(input, (name) => this.patches.has(name));
    this.takeRestrictions(input.restrictions);
    // What node patches have reported before this run workflow began is handed over as the handlers are registered.
    for (const one of inFlight) {
      if (one.left !== undefined) this.places.addInFlight({ name: one.node, ...one.left });
      this.places.move(one.node, one.lost === true ? 'lost' : 'in-flight');
      this.patches.adopt(one);
      this.outages.adopt(one);
    }
  }

  progress(): RunProgressPage {
    const { all } = this.patches;
    const inFlight = all.filter(({ lost }) => !lost);
    return {
      run: this.run,
      total: this.members.size,
      done: this.settledMembers.length,
      inFlight: inFlight.slice(0, MAX_SHOWN).map((patch) => ({
        ...toInWork(patch),
        ...this.outages.waitOf(patch.node),
      })),
      lost: all
        .filter(({ lost }) => lost)
        .slice(0, MAX_SHOWN)
        .map(toInWork),
      settled: this.settledMembers,
      ...runDetail(this.places.byPlace(), {
        ...{ limits: this.limits, failures: this.failures, hold: this.hold, ...defined({ holdSince: this.heldSince }) },
        ...{ openStage: this.openStage, stages: this.stages },
        windowEnd: this.runWindow === null ? null : new Date(this.runWindow.endMs).toISOString(),
      }),
    };
  }

  nodeUnreachable(lost: LostNode | null): void {
    this.patches.nodeUnreachable(lost);
  }

  nodeEnded(settled: MemberSettled | null): void {
    this.patches.nodeEnded(settled);
  }

  outageRequested(request: OutageRequest | null): void {
    const place = request === null ? undefined : this.places.get(request.node)?.place;
    if (request === null || (place !== 'in-flight' && place !== 'lost')) return;
    this.outages.ask(request, timestamp());
    this.changed();
  }

  async restrict(restrictions: RunRestrictions): Promise<void> {
    this.takeRestrictions(restrictions);
    this.changed();
    await this.patches.limit();
  }

  async execute(): Promise<RunResult> {
    CancellationScope.current().cancelRequested.catch(() => {
      this.cancelled = true;
      this.patches.cancelAdopted();
      this.changed();
    });
    const reporting = CancellationScope.nonCancellable(() => this.reporter.report());
    void CancellationScope.nonCancellable(() => this.watchWindow());
    try {
      await this.loop();
    } finally {
      this.gate?.end();
      this.reporter.end();
      await reporting;
    }
    // Nothing is awaited from here on, so what has arrived by now is in the report.
    return this.report();
  }

  reasonNotToTry({ name }: Pick<RunMember, 'name'>): MemberSettled | null {
    if (this.removed.has(name)) return skippedBecauseRemoved(this.kind, name);
    const skip = this.skips[name] ?? this.withdrawn[name];
    if (skip !== undefined) return skipped(this.kind, name, skip);
    if (!this.cancelled) return null;
    const why =
      this.expired === undefined
        ? `the run was cancelled before this ${this.unit}`
        : `run ${this.run} expired before this ${this.unit}: ${this.expired}`;
    return notTried(this.kind, name, why);
  }

  mayStart(): boolean {
    return !this.paused && !this.handsOver && !this.isWindowOver();
  }

  private isWindowOver(): boolean {
    const closes = closesMs(this.runWindow);
    return closes !== null && Date.now() >= closes;
  }

  patchLimits(): PatchLimits {
    return { rebootsForbidden: this.noReboots, window: this.runWindow };
  }

  withdrawalOf(name: string): string | undefined {
    return this.withdrawn[name];
  }

  isCancelled(): boolean {
    return this.cancelled;
  }

  settled(settled: MemberSettled): void {
    const { node } = settled;
    if (this.places.get(node)?.place === 'settled') return;
    if (isBackInQueue(settled)) {
      // What is left of a cancelled run is settled by its loop.
      this.notStarted(node);
      return;
    }
    this.places.move(node, 'settled');
    this.taken += 1;
    this.outages.forget(node);
    // It may have been left out of service after the last look.
    if (settled.outcome === 'failed' || settled.outcome === 'cancelled') this.availability?.expire();
    this.settledMembers.push(settled);
    this.lastSettledAt = timestamp();
    if (countsAsFailure(settled)) this.failures += 1;
    this.reporter.settled(settled);
    this.changed();
  }

  notStarted(name: string): void {
    this.places.move(name, 'waiting');
    this.outages.forget(name);
    this.changed();
  }

  lost(lost: LostNode): void {
    this.places.move(lost.node, 'lost');
    this.outages.forget(lost.node);
    this.reporter.lost(lost);
    this.changed();
  }

  changed(): void {
    this.isStale = true;
    if (this.isShown) void Promise.resolve().then(() => this.showProgress());
    this.isShown = false;
  }

  /** Once for all that happens at the same time. */
  private showProgress(): void {
    this.isShown = true;
    this.show(this.progress());
  }

  /** Ends when all members have settled, or when the rest is for the next workflow of the run. */
  private async loop(): Promise<void> {
    if (this.patches.all.length > 0) this.showProgress();
    this.patches.followAdopted();
    for (;;) {
      this.isStale = false;
      this.settleUntried();
      if (await this.answerOutages()) continue;
      const step = nextStep(this.view());
      const hold = 'hold' in step ? step.hold : null;
      this.noteHold(this.outages.hold ?? hold);
      this.useGate([this.outages.hold, hold].some(isAlertHold));
      if (step.do === 'finish') return;
      if (this.mustHandOver()) {
        if (this.patches.canBeHandedOver) return;
        await this.change();
      } else if (this.paused && !this.cancelled) {
        if (this.patches.onlyLost) return;
        await this.change();
      } else if (step.do === 'suspend') return;
      else if (step.do === 'stop') this.settleRest();
      else if (step.do === 'start') await this.startAll(step.members);
      else await this.waitFor(step);
    }
  }

  private noteHold(found: RunHold | null): void {
    // Before its first look a run knows nothing of other nodes; that is no limit that holds it up.
    const isFirstLook =
      (found?.kind === 'unobserved' && this.availability?.hasLooked !== true) ||
      (found?.kind === 'alerts-unknown' && found.why === null);
    const hold = isFirstLook ? null : found;
    if (hold?.kind !== this.hold?.kind) {
      this.heldSince = hold === null ? undefined : timestamp();
      const report = hold === null ? null : holdReport(hold, this.unit);
      if (report !== null) this.reporter.held(report);
    }
    this.hold = hold;
  }

  private view(): RunView {
    return {
      ...this.places.byPlace(),
      stages: this.stages,
      limits: this.limits,
      rolesApart: isNodeRun(this.input) && this.input.policy.rolesApart,
      openStage: this.openStage,
      lastSettledMs: this.lastSettledMs,
      failures: this.failures,
      unavailable: this.availability === null ? new Set() : this.availability.unavailable,
      ...defined({ alerts: this.gate?.view }),
      window: this.runWindow,
      forecast: (name) => this.forecast(name),
      nowMs: Date.now(),
    };
  }

  /** Returns whether a node in flight has got an answer. */
  private async answerOutages(): Promise<boolean> {
    const { availability, outages } = this;
    if (!outages.pending) return false;
    const isLimited = availability !== null && this.limits.maxUnavailable !== null;
    if (isLimited && !availability.isFresh(Date.now(), OUTAGE_FRESH_MS)) await availability.look();
    // The answer brings the run back here.
    if (this.gate !== null && !this.gate.isKnown(Date.now(), this.lastSettledMs)) {
      this.gate.read();
      return false;
    }
    return outages.answer(
      { ...this.view(), paused: this.paused },
      (name) => this.reasonNotToTry({ name }) !== null && !this.cancelled,
    );
  }

  private forecast(name: string): Forecast {
    return forecastAt(this.forecasts, this.order.get(name) ?? -1);
  }

  /** Looks again when the window is over: by then nothing else may have happened. */
  private async watchWindow(): Promise<void> {
    for (;;) {
      const { runWindow } = this;
      const isOther = (): boolean => this.runWindow !== runWindow;
      const leftMs = (closesMs(runWindow) ?? 0) - Date.now();
      if (leftMs <= 0) await condition(isOther);
      else if (!(await condition(isOther, leftMs, { summary: 'the end of the maintenance window' }))) {
        this.changed();
        await condition(isOther);
      }
    }
  }

  /** On an answer that may have changed meanwhile, nothing is started. */
  private async startAll(names: readonly string[]): Promise<void> {
    const { availability, limits } = this;
    if (availability !== null && limits.maxUnavailable !== null && !availability.isFresh(Date.now())) {
      await availability.look();
      return;
    }
    if (this.gate !== null && !this.gate.isKnown(Date.now(), this.lastSettledMs)) {
      this.gate.read();
      return this.change();
    }
    if (this.quarantine?.isToAsk(names) === true) return this.quarantine.ask();
    for (const name of names) {
      // The answers of Temporal to those before bring the run back here.
      if (this.patches.starting >= MAX_STARTING) return this.change();
      this.start(name);
    }
  }

  private async waitFor({ hold, untilMs }: Extract<Step, { do: 'wait' }>): Promise<void> {
    const { availability } = this;
    if (isAlertHold(hold)) return this.change(this.alertWaitUntil(untilMs));
    if (availability === null) return this.change(untilMs);
    if (hold.kind === 'unobserved') {
      await availability.look();
      if (availability.unavailable === null) await this.change(Date.now() + LOOK_AGAIN_MS);
    } else if (hold.kind === 'max-unavailable') {
      await this.change(Date.now() + LOOK_AGAIN_MS);
      await availability.look();
    } else await this.change(untilMs);
  }

  gateAnswered({ result }: AlertReading): void {
    this.reporter.gate(result);
  }

  /** Alerts that hold the run are followed, as long as it can go on. */
  private useGate(isHeld: boolean): void {
    const { gate } = this;
    if (gate === null) return;
    if (!isHeld || this.paused || this.cancelled) return gate.rest();
    if (gate.view.reading === null) gate.read();
    else gate.follow();
    const { alertGate } = this.input.policy;
    if (alertGate === undefined || this.patches.all.length > 0 || Date.now() < this.expiresMs) return;
    this.expired = 'alerts have held the run for too long (patching.maxRunAge)';
    this.cancelled = true;
    this.isStale = true;
  }

  private get lastSettledMs(): number | null {
    return this.lastSettledAt === undefined ? null : Date.parse(this.lastSettledAt);
  }

  private get expiresMs(): number {
    return Date.parse(this.input.startedAt) + (this.input.policy.alertGate?.maxRunAgeMs ?? Infinity);
  }

  private alertWaitUntil(untilMs: number | null): number {
    return Math.min(untilMs ?? Infinity, Math.max(this.expiresMs, Date.now() + LOOK_AGAIN_MS));
  }

  private start(name: string): void {
    const member = this.members.get(name);
    const placed = this.places.get(name);
    if (member === undefined || placed === undefined) return;
    const shutOut = this.quarantine?.endOf(name) ?? null;
    if (shutOut !== null) return this.settled(shutOut);
    const lock = this.locks[name];
    if (lock !== undefined && (lock.untilMs === null || lock.untilMs > Date.now()))
      return this.settled(skipped(this.kind, name, lock.why));
    this.places.move(name, 'in-flight');
    this.taken += 1;
    this.outages.started(name);
    this.openStage = Math.max(this.openStage, placed.stage);
    this.reporter.started(name);
    this.patches.start(member);
  }

  /** Members that are not to be tried any more, whatever the limits are. */
  private settleUntried(): void {
    const leftOut = Object.keys(this.skips).length + Object.keys(this.withdrawn).length + this.removed.size;
    if (!this.cancelled && leftOut === 0) return;
    for (const { name } of [...this.places.byPlace().waiting]) {
      const reason = this.reasonNotToTry({ name });
      if (reason !== null) this.settled(reason);
    }
  }

  /** The failure budget is spent. */
  private settleRest(): void {
    const failed = this.settledMembers.find(countsAsFailure);
    const cause =
      this.limits.maxFailures === 0
        ? `${failed?.node ?? `another ${this.unit}`} failed`
        : `${this.failures} ${this.unit}s failed, more than the ${this.limits.maxFailures} that may`;
    const message = `the run stopped before this ${this.unit} because ${cause}`;
    for (const { name } of [...this.places.byPlace().waiting]) this.settled(notTried(this.kind, name, message));
  }

  /**
   * Whether the rest of the run is for the next workflow, to which nodes in flight are handed over. Each run workflow takes at
   * least one member, or a run would never end. A run that is paused or cancelled only waits for the members in flight.
   */
  private mustHandOver(): boolean {
    if (this.cancelled || this.paused || this.taken === 0) return false;
    this.handsOver ||= this.handOver || isHistoryFull(workflowInfo(), this.patches.all.length);
    return this.handsOver;
  }

  /** A cancelled run still waits for the members in flight; their own cancellation reaches them. */
  private async change(latestMs: number | null = null): Promise<void> {
    const isStale = (): boolean => this.isStale;
    if (isStale()) return;
    const lookAtMs = this.outages.pending ? Date.now() + LOOK_AGAIN_MS : Infinity;
    const untilMs = Math.min(latestMs ?? Infinity, lookAtMs);
    await CancellationScope.nonCancellable(async () => {
      if (untilMs === Infinity) await condition(isStale);
      else await condition(isStale, Math.max(1, untilMs - Date.now()), { summary: 'look again what can be started' });
    });
  }

  private report(): RunResult {
    const whole: RunCursor = {
      settled: [...this.settledMembers],
      failures: this.failures,
      ...defined({
        openStage: this.openStage === 0 ? undefined : this.openStage,
        lastSettledAt: this.lastSettledAt,
        retried: Object.keys(this.retried).length === 0 ? undefined : { ...this.retried },
      }),
    };
    const cursor = briefReport(whole, (node) => this.reporter.isTold(node));
    const rest = this.patches.all;
    if (rest.length === 0 && this.places.isSettled) {
      const outcome = this.expired === undefined ? runOutcome(cursor.settled, this.cancelled) : 'expired';
      return { end: 'finished', outcome, cursor };
    }
    if (rest.length > 0) cursor.inFlight = rest.map((patch) => this.toHandedOver(patch));
    if (this.hold !== null && !this.paused)
      Object.assign(cursor, defined({ hold: this.hold, holdSince: this.heldSince }));
    return { end: 'suspended', outcome: runOutcome(cursor.settled, false), cursor };
  }

  private takeRestrictions(restrictions: RunRestrictions): void {
    this.paused = restrictions.paused ?? this.paused;
    this.handOver ||= restrictions.handOver === true;
    this.removed = new Set(restrictions.removedNodes ?? this.removed);
    this.noReboots ||= restrictions.rebootsForbidden === true;
    this.cancelled ||= restrictions.cancelled === true;
    this.expired = restrictions.expired ?? this.expired;
    this.limits = restrictions.limits ?? this.limits;
    this.takeWindow(restrictions.window);
    this.locks = restrictions.locked ?? {};
    this.skips = restrictions.skipped ?? this.skips;
    this.withdrawn = restrictions.withdrawn ?? this.withdrawn;
    for (const name of Object.keys(this.skips)) this.forgiveFailure(name);
    for (const [name, times] of Object.entries(restrictions.retried ?? {})) this.retry(name, times);
  }

  private takeWindow(window: RunWindow | null | undefined): void {
    if (window === undefined || JSON.stringify(window) === JSON.stringify(this.runWindow)) return;
    this.runWindow = window;
  }

  /** A failure that somebody has skipped no longer counts. */
  private forgiveFailure(name: string): void {
    const failed = this.settledMembers.find((one) => one.node === name && countsAsFailure(one));
    if (failed === undefined) return;
    this.failures -= 1;
    this.settledMembers = this.settledMembers.map((one) => (one === failed ? { ...one, outcome: 'skipped' } : one));
  }

  /** Gives a member that has settled another turn, once for each time that somebody has asked for one. */
  private retry(name: string, times: number): void {
    if (times <= (this.retried[name] ?? 0)) return;
    this.retried[name] = times;
    const settled = this.settledMembers.find((one) => one.node === name);
    if (settled === undefined || this.places.get(name)?.place !== 'settled') return;
    if (countsAsFailure(settled)) this.failures -= 1;
    this.settledMembers = this.settledMembers.filter((one) => one !== settled);
    this.places.move(name, 'waiting');
  }

  private toHandedOver({ node, startedAt, workflowRunId, told, lost, reportsEnd }: PatchInFlight): HandedOverPatch {
    const placed = this.removed.has(node) ? this.places.get(node) : undefined;
    return {
      ...{ node, startedAt, workflowRunId: workflowRunId ?? '' },
      ...defined({
        lost: lost || undefined,
        reportsEnd: (reportsEnd && !lost) || undefined,
        told,
        ...this.outages.handedOver(node),
        left: placed === undefined ? undefined : { role: placed.role, zone: placed.zone, stage: placed.stage },
      }),
    };
  }
}

function nothingSettled(): RunCursor {
  return { settled: [], failures: 0 };
}

function stagesOf(input: RunInput): readonly RunStage[] {
  return isNodeRun(input) ? input.policy.stages : [{ size: input.nodes.length, soakMs: 0, concurrency: null }];
}

function placesOf(input: RunInput, stages: readonly RunStage[]): RunPlaces {
  const numbers = stageNumbers(stages);
  const members = isNodeRun(input)
    ? input.nodes.map(({ name, role, zone = null }) => ({ name, role, zone }))
    : input.nodes.map(({ name }) => ({ name, role: null, zone: null }));
  return new RunPlaces(members.map((one, at) => ({ ...one, stage: numbers[at] ?? 0 })));
}

function toInWork({ node, state, startedAt, workflowRunId, taskQueue }: PatchInFlight): NodeInWork {
  return { node, state, startedAt, workflowRunId, ...defined({ taskQueue }) };
}
