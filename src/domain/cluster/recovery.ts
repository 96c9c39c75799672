/**
 * Rebuilds the state of a cluster without its workflow: the state at the start of its history, plus specs, pauses and
 * runs recorded in the history since. Requests are not executed again.
 */
import type { ClusterState, ActiveRun } from './state';
import {
  finishRun,
  openIn,
  markLost,
  markStarted,
  newClusterState,
  note,
  recordWindow,
  settleNodes,
  settleReport,
  startRun,
} from './state';
import { forgetSigned } from './admissions';
import { beginLife } from './events';
import { migrate } from './migrate';
import { noteNotified, parseNotified } from './notified';
import { newSchedule } from './schedule-state';
import { countGates } from './totals';
import { unpackState } from './packed-state';
import { MAX_WORD, SIGNALS, parseMessage } from './messages';
import type { Message, SignalName } from './messages';
import type { Verification } from '../shared/verification';
import {
  actOnApplySpec,
  actOnRequest,
  actOnSteering,
  checkApplySpec,
  checkRequest,
  checkSteeringRequest,
  noteCreation,
} from './requests';
import { parseSpecMessage } from './spec-message';
import type { SteeringName } from './steering';
import { STEERING, parseSteering } from './steering';
import { memberName } from './member';
import type { MemberSettled } from './member';
import type { RunInput, RunResult } from '../run/run';
import { parseProgress } from '../run/progress-parser';
import { failedUnrecorded, notTried, settleHandedOver, markHandedOverLost } from '../run/run';
import type { ClusterSpec } from '../spec/types';
import { defined } from '../shared/defined';
import { plainText } from '../shared/text';

/** The relevant events of a cluster's history, in order. Times are ISO 8601; values are as sent. */
export type PastEvent = { at: string } &
  /**
   * A signal, or an update that was accepted. `identity`: what the client that sent it called itself; empty: nothing. `admitted`:
   * what a worker has found out about the sender.
   */
  (
    | { kind: 'message'; name: string; value: unknown; identity: string; admitted?: Verification & { by?: string } }
    /** A message whose payload cannot be decoded here. */
    | { kind: 'unreadable'; name: string }
    | { kind: 'run-started'; workflowId: string; input: RunInput }
    /** `report`: null when the run failed, was terminated, or its result cannot be decoded. */
    | { kind: 'run-ended'; run: number; report: RunResult | null }
  );

/** Validates a spec; `spec` is normalised. Workflows have no schema library, so the caller provides the check. */
export type SpecCheck = (value: unknown) => { ok: true; spec: ClusterSpec } | { ok: false; problems: string[] };

/** Dependencies outside the domain. */
export interface RecoveryContext {
  checkSpec: SpecCheck;
  /** Of a run of a cluster that was created at `createdAt`. */
  runWorkflowId: (cluster: string, createdAt: string, run: number) => string;
}

/** A past message, for display. */
export interface PastMessage {
  at: string;
  name: string;
  by: string | null;
  reason: string | null;
  /** Of `patchNow`: the nodes; null: all of them. */
  nodes: string[] | null;
}

export interface RecoveredCluster {
  state: ClusterState;
  /** Messages whose effect is in the state. */
  kept: PastMessage[];
  /** Requests that had not started and have to be sent again. */
  lost: PastMessage[];
  /** The run in progress, which ends together with the workflow of its cluster. */
  run: RunInProgress | null;
}

export interface RunInProgress {
  number: number;
  workflowId: string;
  /** Nodes in progress according to the last report of the run. */
  nodesInWork: string[];
}

/** Signals and updates besides the requests, with handlers of their own. */
const APPLY_SPEC = 'applySpec';
const REMOVE = 'remove';
const RUN_PROGRESS = 'runProgress';
const NOTIFIED = 'notified';

/**
 * Builds the state with which a cluster restarts; modifies `base`. `now` (ISO 8601) is the end time of a run in
 * progress whose end is not recorded.
 */
export function recoverCluster(
  base: ClusterState,
  past: readonly PastEvent[],
  now: string,
  context: RecoveryContext,
): RecoveredCluster {
  const cluster = new PastCluster(base, context);
  for (const event of past) {
    try {
      cluster.take(event);
    } catch {
      // An event of another version, or sent by hand: the rest of the history matters more than this event.
      if (event.kind === 'message') cluster.lose(event, {});
    }
  }
  return cluster.end(now);
}

/**
 * Records that `by` has recovered the cluster at `now` (ISO 8601).
 * @param backup when the backup was taken; null: recovered from the history
 */
export function noteRecovery(state: ClusterState, by: string, backup: string | null, now: string): void {
  beginLife(state.events, now);
  forgetSigned(state, now);
  const from = backup === null ? 'its history' : `the backup of ${backup}, so later events are not known`;
  note(state, { kind: 'action', request: 'recover', by, reason: null, result: `recovered from ${from}` }, now);
}

/**
 * Reads a start argument or the state of a backup. Returns the reason when this version cannot continue from it. `startedBy`:
 * what the client of the start called itself.
 */
export function readStartArgument(
  value: unknown,
  cluster: string,
  at: string,
  checkSpec: SpecCheck,
  startedBy = '',
): ClusterState | string {
  const argument = toRecord(value);
  if (argument === null) return 'the content is not an object';
  if (argument['state'] !== undefined) return readState(argument['state'], cluster);
  const parsed = parseSpecMessage(value);
  if (!parsed.ok) return parsed.why;
  const { message } = parsed;
  const checked = checkSpec(message.spec);
  if (!checked.ok) return `its spec is not valid: ${checked.problems.join('; ')}`;
  if (checked.spec.name !== cluster) return `the state belongs to cluster ${plainText(checked.spec.name, 63)}`;
  const { applyId = null } = message;
  const state = newClusterState(checked.spec, applyId, at);
  noteCreation(state, { ...namedAs(startedBy), ...message }, at);
  return state;
}

function namedAs(identity: string): Message {
  return defined({ by: plainText(identity, MAX_WORD) || undefined });
}

function readState(value: unknown, cluster: string): ClusterState | string {
  const packed = toRecord(value);
  const spec = toRecord(packed?.['spec']);
  if (packed === null || spec === null) return 'the content is not the state of a cluster';
  if (spec['name'] !== cluster) return `the state belongs to cluster ${plainText(String(spec['name']), 63)}`;
  try {
    return unpackState(migrate(value));
  } catch (error) {
    // `migrate` reports version mismatches as RangeError; anything else is damage.
    return error instanceof RangeError ? plainText(error.message, 200) : 'the state is damaged';
  }
}

/** Of a message: what it does not say, and what a worker says instead of it. */
interface PastSender {
  before: Message;
  after: Verification & { by?: string };
}

class PastCluster {
  private readonly kept: PastMessage[] = [];
  private lost: PastMessage[] = [];
  /** Workflow id of the last run that started. */
  private workflowId: string | null = null;
  private isRunning = false;

  constructor(
    private readonly state: ClusterState,
    private readonly context: RecoveryContext,
  ) {}

  take(event: PastEvent): void {
    switch (event.kind) {
      case 'message':
        if (event.name === RUN_PROGRESS) return this.progress(event.at, event.value);
        return event.name === NOTIFIED ? this.notified(event.at, event.value) : this.message(event);
      case 'unreadable':
        if (event.name !== RUN_PROGRESS && event.name !== NOTIFIED) this.lose(event, {});
        return;
      case 'run-started':
        return this.runStarted(event);
      case 'run-ended':
        return this.runEnded(event);
    }
  }

  end(now: string): RecoveredCluster {
    const { state, kept, lost } = this;
    const { run } = state;
    if (run === null || !this.isRunning) return { state, kept, lost, run: null };
    const nodesInWork = this.inWork(run);
    this.finish(run, 'cancelled', now, (node) => unknownEnd(state.spec.name, run, node));
    return { state, kept, lost, run: { number: run.number, workflowId: this.idOf(run), nodesInWork } };
  }

  private message({ at, name, value, identity, admitted }: Extract<PastEvent, { kind: 'message' }>): void {
    const sender = { before: namedAs(identity), after: admitted ?? {} };
    if (name === APPLY_SPEC) return this.applySpec(at, value, sender);
    const steering = STEERING.find((one) => one === name);
    if (steering !== undefined) return this.steering(at, steering, value, sender);
    const parsed = parseMessage(value);
    const signal = SIGNALS.find((one) => one === name);
    // The cluster rejected unknown messages and messages that it could not parse.
    if (!parsed.ok || (signal === undefined && name !== REMOVE)) return;
    const message = { ...sender.before, ...parsed.message, ...sender.after };
    if (signal === undefined || signal === 'patchNow') return this.lose({ at, name }, message);
    if (checkRequest(this.state, signal, message, at) !== null) return;
    actOnRequest<SignalName>(this.state, signal, message, at);
    this.kept.push(toPastMessage({ at, name }, message));
  }

  private steering(at: string, name: SteeringName, value: unknown, sender: PastSender): void {
    const parsed = parseSteering(name, value);
    if (!parsed.ok || checkSteeringRequest(this.state, name, parsed.message, at) !== null) return;
    const message = { ...sender.before, ...parsed.message, ...sender.after };
    actOnSteering(this.state, name, message, at);
    this.kept.push(toPastMessage({ at, name }, message));
  }

  private applySpec(at: string, value: unknown, { before, after }: PastSender): void {
    const parsed = parseSpecMessage(value);
    // The cluster rejected what it could not parse.
    if (!parsed.ok) return;
    const { spec, applyId = 'none', ...message } = { ...before, ...parsed.message, ...after };
    if (spec === undefined) {
      // The call that created the cluster sent its spec as start argument; any other applySpec without a spec was
      // rejected.
      if (applyId !== this.state.createdBy) return;
      this.state.createdBy = null;
      return;
    }
    const checked = this.context.checkSpec(spec);
    const sender = { by: message.by ?? null, reason: message.reason ?? null };
    if (!checked.ok || checkApplySpec(this.state, { spec: checked.spec, applyId }) !== null) {
      return this.lose({ at, name: APPLY_SPEC }, sender);
    }
    const { result } = actOnApplySpec(this.state, { ...message, spec: checked.spec, applyId }, at);
    // The spec with which the cluster was created is part of the base state.
    if (result === 'updated') this.kept.push(toPastMessage({ at, name: APPLY_SPEC }, sender));
  }

  lose(
    where: { at: string; name: string },
    message: { by?: string | null; reason?: string | null; nodes?: string[] },
  ): void {
    this.lost.push(toPastMessage(where, message));
  }

  private runStarted({ workflowId, input }: Extract<PastEvent, { kind: 'run-started' }>): void {
    const { state } = this;
    if (state.run !== null && state.run.number !== input.run) this.finish(state.run, 'cancelled', input.startedAt);
    this.workflowId = workflowId;
    this.isRunning = true;
    if (state.run?.number === input.run) {
      state.run.suspended = null;
      return;
    }
    if (input.trigger === 'schedule') this.consumeWindow(input);
    // A request is served by the next run that starts.
    const asked = input.trigger === 'on-demand' ? this.lost.filter(({ name }) => name === 'patchNow') : [];
    this.lost = this.lost.filter((one) => !asked.includes(one));
    const last = asked.at(-1);
    const from = input.trigger === 'on-demand' ? (last ?? state.request) : null;
    if (input.trigger === 'on-demand') state.request = null;
    startRun(state, {
      number: input.run,
      trigger: input.trigger,
      startedAt: input.startedAt,
      by: from?.by ?? null,
      reason: from?.reason ?? null,
      nodes: input.nodes.map(({ name }) => name),
      policy: input.policy,
    });
  }

  /** The window of a started run must not be used again, and must not be recorded as missed. */
  private consumeWindow({ run, startedAt }: RunInput): void {
    const { schedule } = this.state;
    const window = (schedule.next ?? []).findLast(({ start }) => Date.parse(start) <= Date.parse(startedAt));
    const of = window?.partOf ?? window?.start;
    if (of !== undefined) recordWindow(this.state, of, `run ${run}`, startedAt);
    if (Date.parse(startedAt) > Date.parse(schedule.after)) {
      this.state.schedule = {
        ...newSchedule(startedAt),
        since: schedule.since,
        served: of ?? schedule.served,
      };
    }
  }

  private notified(at: string, value: unknown): void {
    const notified = parseNotified(value);
    if (notified !== null) noteNotified(this.state, notified, at);
  }

  private progress(at: string, value: unknown): void {
    const { state } = this;
    const { run } = state;
    const progress = run === null ? null : parseProgress(value, run.number, this.idOf(run));
    if (run === null || progress === null) return;
    settleNodes(state, run, progress.settled, at);
    if (run.suspended !== null) {
      settleHandedOver(run.suspended, progress.settled);
      markHandedOverLost(run.suspended, progress.lost ?? []);
    }
    markStarted(state, run, progress.started, at);
    markLost(state, run, progress.lost ?? [], at);
    countGates(state, progress.gates);
    if (progress.held !== undefined) note(state, { kind: 'limit', run: run.number, ...progress.held }, at);
  }

  /** A run that was suspended at the start of the history keeps its workflow id. */
  private idOf({ number }: ActiveRun): string {
    const { spec, createdAt } = this.state;
    return this.workflowId ?? this.context.runWorkflowId(spec.name, createdAt, number);
  }

  private runEnded({ at, run: number, report }: Extract<PastEvent, { kind: 'run-ended' }>): void {
    const { state } = this;
    const { run } = state;
    if (run === null || run.number !== number) return;
    this.isRunning = false;
    if (report === null) return this.finish(run, 'failed', at, (node) => unknownEnd(state.spec.name, run, node));
    settleReport(state, run, report.cursor.settled, at);
    if (report.end === 'suspended') run.suspended = report.cursor;
    else this.finish(run, report.outcome, at);
  }

  private finish(
    run: ActiveRun,
    outcome: RunResult['outcome'],
    at: string,
    inWork: ((node: string) => MemberSettled) | null = null,
  ): void {
    if (inWork !== null) settleNodes(this.state, run, this.inWork(run).map(inWork), at);
    const rest = run.nodes.filter((name) => run.done[name] === undefined);
    const why = `run ${run.number} ended before this ${memberName(run.policy.kind)}`;
    finishRun(
      this.state,
      run,
      rest.map((name) => notTried(run.policy.kind, name, why)),
      outcome,
      at,
    );
  }

  private inWork(run: ActiveRun): string[] {
    const isOpen = openIn(run);
    return this.state.nodes.filter(({ name, state }) => state === 'patching' && isOpen(name)).map(({ name }) => name);
  }
}

function unknownEnd(cluster: string, { number, policy }: ActiveRun, node: string): MemberSettled {
  return failedUnrecorded(policy.kind, node, {
    type: 'UnreachableAfterChange',
    message: `the cluster was recovered while run ${number} worked on ${node}, so its progress is unknown; the node patch continues on its own`,
    remedy: `ospatch patch ${cluster} --nodes ${node}`,
  });
}

function toPastMessage(
  { at, name }: { at: string; name: string },
  { by, reason, nodes }: { by?: string | null; reason?: string | null; nodes?: string[] },
): PastMessage {
  return { at, name: plainText(name, 100), by: by ?? null, reason: reason ?? null, nodes: nodes ?? null };
}

function toRecord(value: unknown): Record<string, unknown> | null {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
}
