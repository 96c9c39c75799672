/**
 * Heartbeats during the whole body of an activity, so that twenty silent minutes of dpkg do not look like a dead
 * worker.
 */
import { Context, activityInfo } from '@temporalio/activity';
import type { NodeProgress, NodeStep } from '../domain/node/report';
import { HEARTBEAT_INTERVAL_MS, HEARTBEAT_TIMEOUT_MS } from '../domain/node/time-limits';
import type { DrainedSoFar } from '../kubernetes/drain/drain';
import type { Contender } from '../node/contention';
import { CONTENDERS } from '../node/contention';
import type { BegunJobs } from '../node/session';
import type { HandedBack } from '../retry/slot-release';
import { FIRST_HOLD_MS, Hold, LATER_HOLD_MS, RetryLater, observedSince } from '../retry/slot-release';
import { defined } from '../domain/shared/defined';

/**
 * Kinds of waits that may follow one another: for an unreachable node or API server, for others that occupy the node,
 * and for AWS, whose waits have names and times of their own.
 */
export type WaitKind = 'unreachable' | 'others' | 'aws';

/** Who occupies the node, and the time waited so far. */
export interface ObservedOthers {
  by: Contender;
  ms: number;
}

/** Heartbeat details: progress for display, and the state for the next attempt. Times in milliseconds. */
export type HeartbeatDetails = NodeProgress & {
  /** Observed unreachable time of the node so far. */
  unreachableMs: number;
  /** Duration of the call so far, as far as an attempt was running or waiting. */
  elapsedMs: number;
  others?: ObservedOthers;
  /** Other waits so far, by name. */
  waits?: Record<string, number>;
  /** Jobs that the step has started on the node. */
  jobs?: BegunJobs;
  /** How long the job on the node has been followed so far. */
  jobMs?: number;
  /** Progress of a drain. */
  drained?: DrainedSoFar;
  /** Present while no attempt is running: the times above are as of then. */
  handedBack?: HandedBack;
  /** Failed attempts since one ended to wait. */
  failures?: number;
};

/** Changes to a {@link NodeProgress}; undefined clears what it waits for. */
export type Progress = { [K in keyof Omit<NodeProgress, 'step'>]?: NodeProgress[K] | undefined };

export interface Heartbeater {
  signal: AbortSignal;
  /** Initialised from the last heartbeat of the previous attempt. */
  details: HeartbeatDetails;
  /** Sends the details now; the SDK throttles frequent heartbeats. */
  send(): void;
  /** Duration of the call including earlier attempts, in milliseconds. */
  elapsedMs(): number;
  hold(kind: WaitKind, limits?: HoldLimits): Hold;
}

/** How long waits hold the activity slot, in milliseconds. */
export interface HoldLimits {
  /** Default: 30 s. */
  firstMs?: number | undefined;
  /** For attempts that continue a wait; default: 15 s, or `firstMs` if shorter. 0: one poll. */
  laterMs?: number;
}

/** How long an attempt that only polls sends no heartbeat. */
const SILENT_MS = HEARTBEAT_TIMEOUT_MS / 2;

/**
 * Runs `body` with regular heartbeats. On cancellation and worker shutdown it rejects at once with the
 * CancelledFailure; `body` is notified by its signal and must stop following, but never stop what runs on the node.
 */
export async function withHeartbeat<R>(
  step: NodeStep,
  body: (heartbeater: Heartbeater) => Promise<R>,
  { isLookSilent = false }: { isLookSilent?: boolean } = {},
): Promise<R> {
  const context = Context.current();
  const info = activityInfo();
  const begunAt = Date.now();
  const details = detailsFrom(info.heartbeatDetails, step, info.attempt, begunAt);
  const resumed = details.handedBack !== undefined;
  const elapsedBefore = details.elapsedMs;
  const elapsedMs = (): number => elapsedBefore + Math.max(0, Date.now() - begunAt);
  // The server already has the details of the wait, and each heartbeat is billed.
  let isSilent = resumed && isLookSilent;
  const send = (): void => {
    isSilent = false;
    delete details.handedBack;
    details.elapsedMs = elapsedMs();
    context.heartbeat({ ...details });
  };
  if (!isSilent) send();
  const timer = setInterval(
    () => {
      if (!isSilent || Date.now() - begunAt >= SILENT_MS) send();
    },
    Math.min(HEARTBEAT_INTERVAL_MS, (info.heartbeatTimeoutMs ?? HEARTBEAT_TIMEOUT_MS) / 3),
  );
  const hold = (kind: WaitKind, { firstMs = FIRST_HOLD_MS, ...limits }: HoldLimits = {}): Hold => {
    const laterMs = limits.laterMs ?? Math.min(firstMs, LATER_HOLD_MS);
    const holdMs = resumed || waitedMs(details, kind) >= firstMs ? laterMs : firstMs;
    return new Hold({
      kind,
      holdMs: isRetriedForEver(info) ? holdMs : Infinity,
      now: Date.now,
      roomMs: () => room(info),
    });
  };
  try {
    const work = body({ signal: context.cancellationSignal, details, send, elapsedMs, hold });
    const result = await Promise.race([work, context.cancelled]);
    send();
    return result;
  } catch (error) {
    // An aborted wait inside the body may reject first, with a less specific error.
    if (context.cancellationSignal.aborted) return await context.cancelled;
    if (!(error instanceof RetryLater)) {
      if (details.failures !== undefined) details.failures += 1;
      send();
    } else if (!isSilent) {
      details.failures = 0;
      details.elapsedMs = elapsedMs();
      context.heartbeat({ ...details, handedBack: { ...error.wait, atMs: Date.now(), attempt: info.attempt } });
    }
    throw error;
  } finally {
    clearInterval(timer);
  }
}

/**
 * The same, but an attempt that only polls sends no heartbeat for 30 s unless something changes. Such an attempt
 * notices a terminated workflow later, so this is for attempts that change nothing.
 */
export function withSilentLooks<R>(step: NodeStep, body: (heartbeater: Heartbeater) => Promise<R>): Promise<R> {
  return withHeartbeat(step, body, { isLookSilent: true });
}

/** Failed attempts including this one. Until one has ended only to wait, attempts whose worker died count too. */
export function failedAttempts(): number {
  const { attempt, heartbeatDetails } = activityInfo();
  const { failures } = failuresIn(heartbeatDetails);
  return failures === undefined ? attempt : failures + 1;
}

function waitedMs({ unreachableMs, others, waits = {} }: HeartbeatDetails, kind: WaitKind): number {
  switch (kind) {
    case 'unreachable':
      return unreachableMs;
    case 'others':
      return others?.ms ?? 0;
    case 'aws':
      return Math.max(0, ...Object.values(waits));
  }
}

type Info = ReturnType<typeof activityInfo>;

/** An activity with few attempts, for an interactive command, must not spend them on waiting. */
export function isRetriedForEver({ retryPolicy }: Pick<Info, 'retryPolicy'>): boolean {
  const { maximumAttempts } = retryPolicy ?? { maximumAttempts: 1 };
  return maximumAttempts === undefined || maximumAttempts === 0 || maximumAttempts === Infinity;
}

/** Time until the schedule-to-close timeout, in milliseconds. */
function room({ scheduledTimestampMs, scheduleToCloseTimeoutMs }: Info): number {
  return scheduleToCloseTimeoutMs > 0 ? scheduledTimestampMs + scheduleToCloseTimeoutMs - Date.now() : Infinity;
}

/** Records the progress of an activity. Returns whether the displayed progress has changed. */
export function updateProgress(details: HeartbeatDetails, progress: Progress, now: number): boolean {
  const seen = ({ done, total, waitingFor, waitingSince, blocked }: HeartbeatDetails): string =>
    JSON.stringify([done, total, waitingFor, waitingSince, blocked]);
  const before = seen(details);
  if (progress.done !== undefined) details.done = progress.done;
  if (progress.total !== undefined) details.total = progress.total;
  if ('waitingFor' in progress) noteWait(details, progress, now);
  return seen(details) !== before;
}

function noteWait(
  details: HeartbeatDetails,
  { waitingFor, waitingSince, waitingUntil, blocked }: Progress,
  now: number,
): void {
  const isSame = details.waitingFor === waitingFor;
  const since = waitingSince ?? (isSame ? details.waitingSince : undefined) ?? new Date(now).toISOString();
  delete details.waitingFor;
  delete details.waitingSince;
  delete details.waitingUntil;
  delete details.blocked;
  if (waitingFor === undefined) return;
  Object.assign(details, { waitingFor, waitingSince: since, ...defined({ waitingUntil, blocked }) });
}

/** Parses the details of an earlier attempt, which may be of another version. */
function detailsFrom(last: unknown, step: NodeStep, attempt: number, now: number): HeartbeatDetails {
  const details: HeartbeatDetails = {
    step,
    unreachableMs: time(last, 'unreachableMs'),
    elapsedMs: time(last, 'elapsedMs'),
    ...defined({ jobMs: time(last, 'jobMs') === 0 ? undefined : time(last, 'jobMs') }),
    ...failuresIn(last),
    ...others(last),
    ...waits(last),
    ...jobs(last),
    ...drained(last),
  };
  const left = handedBack(last);
  if (left === null || left.attempt >= attempt) return details;
  const pausedMs = observedSince(left, attempt, now);
  details.elapsedMs += pausedMs;
  if (left.kind === 'unreachable') details.unreachableMs += pausedMs;
  else if (left.kind === 'others') {
    if (details.others !== undefined) details.others.ms += pausedMs;
  } else details.waits = { ...details.waits, [left.kind]: (details.waits?.[left.kind] ?? 0) + pausedMs };
  // Until this attempt reports progress, the wait of the last attempt is shown.
  return { ...details, ...shown(last), handedBack: left };
}

function time(details: unknown, name: keyof HeartbeatDetails): number {
  if (typeof details !== 'object' || details === null) return 0;
  const value = (details as Record<string, unknown>)[name];
  return typeof value === 'number' && value > 0 ? value : 0;
}

function failuresIn(details: unknown): Pick<HeartbeatDetails, 'failures'> {
  if (typeof details !== 'object' || details === null || !('failures' in details)) return {};
  return defined({ failures: typeof details.failures === 'number' ? details.failures : undefined });
}

function drained(details: unknown): Pick<HeartbeatDetails, 'drained'> {
  if (typeof details !== 'object' || details === null || !('drained' in details)) return {};
  const soFar = details.drained as Partial<DrainedSoFar> | null;
  if (typeof soFar?.total !== 'number' || typeof soFar.evicted !== 'number') return {};
  return { drained: { total: soFar.total, evicted: soFar.evicted, workloads: soFar.workloads ?? [] } };
}

function others(details: unknown): Pick<HeartbeatDetails, 'others'> {
  if (typeof details !== 'object' || details === null || !('others' in details)) return {};
  const { by, ms } = (details.others ?? {}) as Partial<ObservedOthers>;
  if (!CONTENDERS.some((one) => one === by) || typeof ms !== 'number' || !(ms >= 0)) return {};
  return { others: { by: by as Contender, ms } };
}

function waits(details: unknown): Pick<HeartbeatDetails, 'waits'> {
  if (typeof details !== 'object' || details === null || !('waits' in details)) return {};
  const all = Object.entries(details.waits ?? {}).filter(([, ms]) => typeof ms === 'number' && ms > 0);
  return { waits: Object.fromEntries(all) as Record<string, number> };
}

function jobs(details: unknown): Pick<HeartbeatDetails, 'jobs'> {
  if (typeof details !== 'object' || details === null || !('jobs' in details)) return {};
  const { plan, repair } = (details.jobs ?? {}) as BegunJobs;
  return {
    jobs: {
      ...defined({
        plan: Number.isInteger(plan) ? plan : undefined,
        repair: Number.isInteger(repair) ? repair : undefined,
      }),
    } as BegunJobs,
  };
}

function handedBack(details: unknown): HandedBack | null {
  if (typeof details !== 'object' || details === null || !('handedBack' in details)) return null;
  const { kind, observedMs, maxDelayMs, atMs, attempt } = (details.handedBack ?? {}) as Partial<HandedBack>;
  const times = [observedMs, maxDelayMs, atMs, attempt];
  if (typeof kind !== 'string' || !times.every((one) => typeof one === 'number' && one >= 0)) return null;
  return { kind, observedMs, maxDelayMs, atMs, attempt } as HandedBack;
}

function shown(details: unknown): Omit<NodeProgress, 'step'> {
  const { done, total, waitingFor, waitingSince, waitingUntil } = (details ?? {}) as Progress;
  return {
    ...defined({
      done: typeof done === 'number' ? done : undefined,
      total: typeof total === 'number' ? total : undefined,
      waitingFor: typeof waitingFor === 'string' && typeof waitingSince === 'string' ? waitingFor : undefined,
      waitingSince: typeof waitingFor === 'string' && typeof waitingSince === 'string' ? waitingSince : undefined,
      waitingUntil: typeof waitingUntil === 'string' ? waitingUntil : undefined,
    }),
  };
}
