/** One heartbeat for the whole body of an activity, so that a silent twenty minutes of dpkg is no sign of death. */
import { Context, activityInfo } from '@temporalio/activity';
import type { NodeProgress, NodeStep } from '../domain/node/report';
import { HEARTBEAT_INTERVAL_MS, HEARTBEAT_TIMEOUT_MS } from '../domain/node/time-limits';
import type { DrainedSoFar } from '../kubernetes/drain/drain';
import type { Other } from '../node/others-at-work';
import { OTHERS } from '../node/others-at-work';
import type { BegunJobs } from '../node/session';
import type { HandedBack } from '../retry/hand-back';
import { FIRST_HOLD_MS, Hold, LATER_HOLD_MS, RetryLater, observedSince } from '../retry/hand-back';
import { defined } from '../domain/shared/defined';

/**
 * Waits that may follow one another: for a node or an API server that does not answer, for others that work on the node,
 * and for AWS, each of whose waits has a name and a time of its own.
 */
export type WaitKind = 'unreachable' | 'others' | 'aws';

/** Who is at work on the node in our place, and for how long that was waited for. */
export interface ObservedOthers {
  by: Other;
  ms: number;
}

/** What travels with a heartbeat: the progress for people, and what the next attempt must know. Times in milliseconds. */
export type HeartbeatDetails = NodeProgress & {
  /** How long the node has been seen unreachable so far. */
  unreachableMs: number;
  /** How long this call lasts so far, as far as anybody worked on it or waited in it. */
  elapsedMs: number;
  others?: ObservedOthers;
  /** How long other things were waited for so far, by their names. */
  waits?: Record<string, number>;
  /** Jobs that the step has begun on the node. */
  jobs?: BegunJobs;
  /** How long the job on the node was followed so far. */
  jobMs?: number;
  /** What a drain has done so far. */
  drained?: DrainedSoFar;
  /** Present while no attempt is running: the times above are those of this moment. */
  handedBack?: HandedBack;
  /** How many attempts have failed since one has given back its place. */
  failures?: number;
};

/** What changes of a {@link NodeProgress}; what it waits for is taken back with undefined. */
export type Progress = { [K in keyof Omit<NodeProgress, 'step'>]?: NodeProgress[K] | undefined };

export interface Heartbeater {
  signal: AbortSignal;
  /** Begins with what the last heartbeat of the attempt before has told. */
  details: HeartbeatDetails;
  /** Sends the details now; the SDK throttles what is sent too often. */
  send(): void;
  /** How long the call has lasted, earlier attempts included, in milliseconds. */
  elapsedMs(): number;
  hold(kind: WaitKind, limits?: HoldLimits): Hold;
}

/** For how long waits hold the activity slot, in milliseconds. */
export interface HoldLimits {
  /** Default: 30 s. */
  firstMs?: number | undefined;
  /** In attempts that go on waiting; default: 15 s, or the first where that is shorter. 0: one look. */
  laterMs?: number;
}

/** For so long an attempt that only looks whether a wait is over is silent. */
const SILENT_MS = HEARTBEAT_TIMEOUT_MS / 2;

/**
 * Runs `body` with a regular heartbeat. On cancellation and on worker shutdown it rejects at once with the
 * CancelledFailure; `body` is told by its signal and has to stop following, never to stop what runs on the node.
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
  // The server has the details of the wait already, and each heartbeat is billed.
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
    // An aborted wait inside the body may reject first, with an error that says less.
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
 * The same, where an attempt that only looks whether a wait is over sends nothing for 30 s unless there is news. It hears
 * no earlier that its workflow was terminated, so this is for looks that change nothing by themselves.
 */
export function withSilentLooks<R>(step: NodeStep, body: (heartbeater: Heartbeater) => Promise<R>): Promise<R> {
  return withHeartbeat(step, body, { isLookSilent: true });
}

/** Attempts that have failed, this one included. As long as none has only waited, those whose worker has died count too. */
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

/** One that is tried a few times only, for somebody at a terminal, must not spend its attempts on waiting. */
function isRetriedForEver({ retryPolicy }: Info): boolean {
  const { maximumAttempts } = retryPolicy ?? { maximumAttempts: 1 };
  return maximumAttempts === undefined || maximumAttempts === 0 || maximumAttempts === Infinity;
}

/** Time until the activity is over whatever it does, in milliseconds. */
function room({ scheduledTimestampMs, scheduleToCloseTimeoutMs }: Info): number {
  return scheduleToCloseTimeoutMs > 0 ? scheduledTimestampMs + scheduleToCloseTimeoutMs - Date.now() : Infinity;
}

/** Notes what an activity does now. Returns whether anything is new to the people who watch. */
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

/** From the details of an earlier attempt, which may be of another version. */
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
  // What is waited for is shown from the last attempt until this one knows better.
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
  if (!OTHERS.some((one) => one === by) || typeof ms !== 'number' || !(ms >= 0)) return {};
  return { others: { by: by as Other, ms } };
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
