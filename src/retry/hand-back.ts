/**
 * Long waits that hold no place: an attempt that has waited for a while ends, says when it wants to be called again, and
 * leaves behind how long it has waited.
 */
import { MINUTE_MS } from '../domain/shared/time-units';

/** A short outage is waited through in place, so that nothing is slower for it. */
export const FIRST_HOLD_MS = 30_000;

/** A later attempt looks this long: long enough for several tries, short enough to hold a place one twentieth of the time. */
export const LATER_HOLD_MS = 15_000;

/** Between two attempts in the first minutes: a reboot by hand or a pulled cable is noticed at once. */
const FIRST_DELAY_MS = 15_000;
const FIRST_MINUTES_MS = 3 * MINUTE_MS;

/** Of the time already waited: the next look comes after a third of it. */
const DELAY_SHARE = 1 / 3;

/**
 * After a day without an answer the end of the outage is still noticed within 6 min. What a day costs has to leave room for
 * what the run spends on the same node: together fewer than 300 actions.
 */
export const MAX_DELAY_MS = 6 * MINUTE_MS;

/** Before the time is over there is always another attempt, which says so. */
const LEAST_DELAY_MS = 1_000;

/** Spreads those that began to wait together; none at the longest delay, which is a promise. */
const JITTER = 0.2;

/** What an attempt in between may have taken beyond its hold, say for a login that hangs. */
const ATTEMPT_MS = LATER_HOLD_MS + 30_000;

/** What is waited for, and for how long it was. Times are in milliseconds. */
export interface Wait {
  /** Tells waits apart whose times are counted apart. */
  kind: string;
  observedMs: number;
  /** Longest delay until the next attempt. */
  maxDelayMs: number;
}

/** Thrown to end an attempt that only waits. The wait goes on with the next attempt. */
export class RetryLater extends Error {
  override readonly name = 'RetryLater';

  constructor(
    readonly wait: Wait,
    /** Until the next attempt, in milliseconds. */
    readonly delayMs: number,
    /** What is waited for, as a clause. */
    readonly waitingFor: string,
    options?: ErrorOptions,
  ) {
    super(waitingFor, options);
  }
}

/** Longest time until the next attempt of a wait of `observedMs`, in milliseconds. */
export function longestDelayMs(observedMs: number, maxMs = MAX_DELAY_MS): number {
  const delayMs = observedMs < FIRST_MINUTES_MS ? FIRST_DELAY_MS : observedMs * DELAY_SHARE;
  return Math.min(maxMs, delayMs);
}

/** The same with jitter. */
export function nextDelayMs(observedMs: number, maxMs = MAX_DELAY_MS): number {
  const delayMs = longestDelayMs(observedMs, maxMs);
  return delayMs >= maxMs ? maxMs : delayMs * (1 - Math.random() * JITTER);
}

/** What an attempt leaves behind when it ends to be called again. */
export interface HandedBack extends Wait {
  /** The moment, in milliseconds. */
  atMs: number;
  /** The attempt that has left it. */
  attempt: number;
}

/**
 * How much of the time since then counts as waited, in milliseconds: pauses and attempts, but no time in which nobody
 * took up the next attempt.
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
  /** How long a wait holds its place, in milliseconds; Infinity: to its end. */
  holdMs: number;
  now: () => number;
  /** How long a delay may be, in milliseconds. Default: as long as it likes. */
  roomMs?: () => number;
}

export interface WaitPause {
  /** Default: that of the hold. */
  kind?: string;
  /** What is waited for, as a clause. */
  waitingFor: string;
  /** How long it was waited for, in milliseconds. */
  observedMs: number;
  /** How long it will be at most, in milliseconds. */
  leftMs: number;
  /** Longest delay until the next attempt, in milliseconds; default 6 min. */
  maxDelayMs?: number;
  cause?: unknown;
}

/** A place that waits hold one after the other: for how long the current one may. */
export class Hold {
  private since: number | null = null;

  constructor(private readonly options: HoldOptions) {}

  /** Whether waits give back the place at all. */
  get ends(): boolean {
    return this.options.holdMs !== Infinity;
  }

  /** Whatever was waited for is there. */
  release(): void {
    this.since = null;
  }

  /**
   * To be called before each pause of a wait.
   * @throws RetryLater once the wait has held its place for long enough
   */
  check(pause: WaitPause): void {
    const { holdMs, now } = this.options;
    this.since ??= now();
    if (now() - this.since >= holdMs) this.handBack(pause);
  }

  /** @throws RetryLater unless waits are to their end in this place, or the next attempt would come too late to be made */
  handBack({ waitingFor, observedMs, leftMs, maxDelayMs = MAX_DELAY_MS, cause, ...pause }: WaitPause): void {
    const { roomMs = () => Infinity } = this.options;
    const { kind = this.options.kind } = pause;
    const delayMs = Math.round(Math.max(LEAST_DELAY_MS, Math.min(leftMs, nextDelayMs(observedMs, maxDelayMs))));
    if (!this.ends || delayMs + LATER_HOLD_MS > roomMs()) return;
    throw new RetryLater({ kind, observedMs, maxDelayMs }, delayMs, waitingFor, { cause });
  }
}
