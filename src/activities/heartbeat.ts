/** One heartbeat for the whole body of an activity, so that a silent twenty minutes of dpkg is no sign of death. */
import { Context, activityInfo, heartbeat } from '@temporalio/activity';
import type { NodeProgress, NodeStep } from '../domain/node/report';
import type { DrainedSoFar } from '../kubernetes/drain/drain';

/** What travels with a heartbeat: the progress for people, and what the next attempt must know. */
export type HeartbeatDetails = NodeProgress & {
  /** How long the node has been seen unreachable so far. */
  unreachableMs: number;
  /** How long the job on the node was followed so far. */
  jobMs?: number;
  /** What a drain has done so far. */
  drained?: DrainedSoFar;
};

/** What changes of a {@link NodeProgress}; what it waits for is taken back with undefined. */
export type Progress = { [K in keyof Omit<NodeProgress, 'step'>]?: NodeProgress[K] | undefined };

export interface Pulse {
  signal: AbortSignal;
  /** Begins with what the last heartbeat of the attempt before has told. */
  details: HeartbeatDetails;
  /** Sends the details now; the SDK throttles what is sent too often. */
  beat(): void;
}

const DEFAULT_TIMEOUT_MS = 30_000;
const MIN_INTERVAL_MS = 200;

/**
 * Runs `body` with a regular heartbeat. On cancellation and on worker shutdown it rejects at once with the
 * CancelledFailure; `body` is told by its signal and has to stop following, never to stop what runs on the node.
 */
export async function withHeartbeat<R>(step: NodeStep, body: (pulse: Pulse) => Promise<R>): Promise<R> {
  const context = Context.current();
  const info = activityInfo();
  const last: unknown = info.heartbeatDetails;
  const details: HeartbeatDetails = {
    step,
    unreachableMs: time(last, 'unreachableMs'),
    ...(time(last, 'jobMs') === 0 ? {} : { jobMs: time(last, 'jobMs') }),
    ...drained(last),
  };
  const beat = (): void => heartbeat({ ...details });
  beat();
  const timer = setInterval(beat, Math.max(MIN_INTERVAL_MS, (info.heartbeatTimeoutMs ?? DEFAULT_TIMEOUT_MS) / 3));
  try {
    return await Promise.race([body({ signal: context.cancellationSignal, details, beat }), context.cancelled]);
  } catch (error) {
    // An aborted wait inside the body may reject first, with an error that says less.
    if (context.cancellationSignal.aborted) return await context.cancelled;
    throw error;
  } finally {
    clearInterval(timer);
    beat();
  }
}

/** Notes what an activity does now. Returns whether anything is new to the people who watch. */
export function updateProgress(details: HeartbeatDetails, progress: Progress, now: number): boolean {
  const before = JSON.stringify(details);
  if (progress.done !== undefined) details.done = progress.done;
  if (progress.total !== undefined) details.total = progress.total;
  if ('waitingFor' in progress) noteWait(details, progress, now);
  return JSON.stringify(details) !== before;
}

function noteWait(details: HeartbeatDetails, { waitingFor, waitingSince, blocked }: Progress, now: number): void {
  const isSame = details.waitingFor === waitingFor;
  const since = waitingSince ?? (isSame ? details.waitingSince : undefined) ?? new Date(now).toISOString();
  delete details.waitingFor;
  delete details.waitingSince;
  delete details.blocked;
  if (waitingFor === undefined) return;
  Object.assign(details, { waitingFor, waitingSince: since, ...(blocked === undefined ? {} : { blocked }) });
}

/** From the details of an earlier attempt, which may be of another version. */
function time(details: unknown, name: 'unreachableMs' | 'jobMs'): number {
  if (typeof details !== 'object' || details === null) return 0;
  const value = (details as Record<string, unknown>)[name];
  return typeof value === 'number' && value > 0 ? value : 0;
}

/** From the details of an earlier attempt, which may be of another version. */
function drained(details: unknown): Pick<HeartbeatDetails, 'drained'> {
  if (typeof details !== 'object' || details === null || !('drained' in details)) return {};
  const soFar = details.drained as Partial<DrainedSoFar> | null;
  if (typeof soFar?.total !== 'number' || typeof soFar.evicted !== 'number') return {};
  return { drained: { total: soFar.total, evicted: soFar.evicted, workloads: soFar.workloads ?? [] } };
}
