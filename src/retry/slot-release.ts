/**
 * Long waits without an activity slot: after a while the attempt ends, requests a later retry, and records how long it
 * has waited.
 */
import { MINUTE_MS } from '../domain/shared/time-units';

/** A short outage is awaited in place, which adds no delay. */
export const FIRST_HOLD_MS = 30_000;

/** Duration of a later attempt: enough for several tries, and about one twentieth of the total time. */
export const LATER_HOLD_MS = 15_000;

/** Delay between attempts in the first minutes: a manual reboot or a pulled cable is noticed soon. */
const FIRST_DELAY_MS = 15_000;
const FIRST_MINUTES_MS = 3 * MINUTE_MS;

/** Delay as a share of the time already waited. */
const DELAY_SHARE = 1 / 3;

/**
 * After a day, the end of an outage is still noticed within 6 min. The cost of a day has to leave room for the other
 * actions of the run on the node: fewer than 300 in total.
 */
export const MAX_DELAY_MS = 6 * MINUTE_MS;

/** Guarantees a last attempt before the timeout, which reports it. */
const LEAST_DELAY_MS = 1_000;

/** Spreads waits that began together; not applied to the longest delay, which is a guarantee. */
const JITTER = 0.2;

/** Maximum duration of an intermediate attempt, including e.g. a hanging login. */
const ATTEMPT_MS = LATER_HOLD_MS + 30_000;

/** A wait and its duration so far. Times are in milliseconds. */
export interface Wait {
  /** Waits of different kinds are counted separately. */
  kind: string;
  observedMs: number;
  /** Longest delay until the next attempt. */
  maxDelayMs: number;
}

/** Thrown to end an attempt that only waits. The next attempt continues the wait. */
export class RetryLater extends Error {
  override readonly name = 'RetryLater';

  constructor(
    readonly wait: Wait,
    /** Until the next attempt, in milliseconds. */
    readonly delayMs: number,
    /** What the attempt waits for, as a clause. */
    readonly waitingFor: string,
    options?: ErrorOptions,
  ) {
    super(waitingFor, options);
  }
}

/** Longest delay until the next attempt of a wait of `observedMs`, in milliseconds. */
export function longestDelayMs(observedMs: number, maxMs = MAX_DELAY_MS): number {
  const delayMs = observedMs < FIRST_MINUTES_MS ? FIRST_DELAY_MS : observedMs * DELAY_SHARE;
  return Math.min(maxMs, delayMs);
}

/** The same with jitter. */
export function nextDelayMs(observedMs: number, maxMs = MAX_DELAY_MS): number {
  const delayMs = longestDelayMs(observedMs, maxMs);
  return delayMs >= maxMs ? maxMs : delayMs * (1 - Math.random() * JITTER);
}

/** State recorded by an attempt that ends to wait. */
export interface HandedBack extends Wait {
  /** The time, in milliseconds. */
  atMs: number;
  /** Number of that attempt. */
  attempt: number;
}

/**
 * How much of the time since then counts as waited, in milliseconds: pauses and attempts, but not the time in which no
 * worker took the next attempt.
 */
export function observedSince(left: HandedBack, attempt: number, nowMs: number): number {
  let observedMs = left.observedMs;
  for (let one = left.attempt; one < attempt; one += 1) {
    if (one > left.attempt) observedMs += ATTEMPT_MS;
    observedMs += longestDelayMs(observedMs, left.maxDelayMs);
  }
  return Math.min(Math.max(0, nowMs - left.atMs), observedMs - left.observedMs);
}

export interface HoldOptions {
  kind: string;
  /** How long a wait keeps its slot, in milliseconds; Infinity: until its end. */
  holdMs: number;
  now: () => number;
  /** Limit for a delay, in milliseconds. Default: none. */
  roomMs?: () => number;
}

export interface WaitPause {
  /** Default: the kind of the hold. */
  kind?: string;
  /** What the attempt waits for, as a clause. */
  waitingFor: string;
  /** Time waited so far, in milliseconds. */
  observedMs: number;
  /** Remaining time until the timeout, in milliseconds. */
  leftMs: number;
  /** Longest delay until the next attempt, in milliseconds; default 6 min. */
  maxDelayMs?: number;
  cause?: unknown;
}

/** The slot time of consecutive waits in one attempt. */
export class Hold {
  private since: number | null = null;

  constructor(private readonly options: HoldOptions) {}

  /** Whether waits give up the slot at all. */
  get ends(): boolean {
    return this.options.holdMs !== Infinity;
  }

  /** The wait has ended. */
  release(): void {
    this.since = null;
  }

  /**
   * Call before each pause of a wait.
   * @throws RetryLater when the wait has held the slot for long enough
   */
  check(pause: WaitPause): void {
    const { holdMs, now } = this.options;
    this.since ??= now();
    if (now() - this.since >= holdMs) this.handBack(pause);
  }

  /** @throws RetryLater unless waits are to be completed in place, or the next attempt would come too late */
  handBack({ waitingFor, observedMs, leftMs, maxDelayMs = MAX_DELAY_MS, cause, ...pause }: WaitPause): void {
    const { roomMs = () => Infinity } = this.options;
    const { kind = this.options.kind } = pause;
    const delayMs = Math.round(Math.max(LEAST_DELAY_MS, Math.min(leftMs, nextDelayMs(observedMs, maxDelayMs))));
    if (!this.ends || delayMs + LATER_HOLD_MS > roomMs()) return;
    throw new RetryLater({ kind, observedMs, maxDelayMs }, delayMs, waitingFor, { cause });
  }
}
