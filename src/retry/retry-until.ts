/**
 * Repeats a call until it is answered; the only such loop. Time without an answer is counted per call and only while an
 * attempt runs: neither time without a worker nor the waits of concurrent calls are added.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { BackoffOptions } from './backoff';
import { Backoff } from './backoff';
import type { Hold } from './slot-release';

/** Attempts never take longer; a larger difference means that this machine was suspended. */
const MAX_ATTEMPT_MS = 120_000;

/** An error after which a retry may succeed. */
export interface Transient {
  /** Remaining time for such errors, in milliseconds; Infinity: no limit. */
  leftMs: number;
  /** What the call waits for, as a clause. */
  waitingFor: string;
  /** Minimum pause requested by the server, in milliseconds. */
  retryAfterMs?: number | null;
  /** Counted separately from other errors of the call; times in milliseconds. */
  wait?: { kind: string; observedMs: number };
}

export interface RetryOptions {
  /** Null: the error is final. `observedMs`: consecutive time without an answer, including the failed attempt. */
  classify(error: unknown, observedMs: number): Transient | null;
  /** The error to throw when no time is left. */
  timedOut(error: unknown, observedMs: number): unknown;
  backoff: BackoffOptions;
  signal: AbortSignal;
  now: () => number;
  /** Time observed before the first attempt, in milliseconds; default 0. */
  observedMs?: number;
  /** Called with the observed time on each change, 0 when the call is answered. */
  onObserved?: (observedMs: number) => void;
  /** Called before each pause. */
  onWaiting: (waitingFor: string) => void;
  /** Called with each answer. */
  onAnswered?: (wasWaiting: boolean) => void;
  /** Ends the attempt after a while. Absent: the attempt waits in place. */
  hold?: Hold;
}

export type Attempt<T> = { answered: true; value: T } | { answered: false };

export class Retry {
  private observed: number;
  private readonly pauses: Backoff;
  private left = Infinity;
  private retryAfterMs = 0;

  constructor(private readonly options: RetryOptions) {
    this.observed = options.observedMs ?? 0;
    this.pauses = new Backoff(options.backoff);
  }

  get observedMs(): number {
    return this.observed;
  }

  /**
   * Repeats `call` until it is answered, its error is final, or no time is left for such errors.
   * @throws RetryLater when the hold has expired
   */
  async until<T>(call: () => Promise<T>): Promise<T> {
    for (;;) {
      const result = await this.attempt(call);
      if (result.answered) return result.value;
      const pauseMs = Math.min(this.left, Math.max(this.pauses.next(), this.retryAfterMs));
      await sleep(pauseMs, undefined, { signal: this.options.signal });
      this.add(pauseMs);
    }
  }

  /** One attempt; the caller pauses before the next one and reports the pause with {@link add}. */
  async attempt<T>(call: () => Promise<T>): Promise<Attempt<T>> {
    const { signal, now, classify, timedOut, onWaiting, onAnswered, hold } = this.options;
    signal.throwIfAborted();
    const started = now();
    try {
      const value = await call();
      const wasWaiting = this.observed > 0;
      this.set(0);
      this.pauses.reset();
      hold?.release();
      onAnswered?.(wasWaiting);
      return { answered: true, value };
    } catch (error) {
      signal.throwIfAborted();
      const observedMs = this.observed + Math.min(MAX_ATTEMPT_MS, Math.max(0, now() - started));
      const transient = classify(error, observedMs);
      if (transient === null) throw error;
      this.set(observedMs);
      if (transient.leftMs <= 0) throw timedOut(error, observedMs);
      onWaiting(transient.waitingFor);
      hold?.check({ ...transient, observedMs, ...transient.wait, cause: error });
      this.left = transient.leftMs;
      this.retryAfterMs = transient.retryAfterMs ?? 0;
      return { answered: false };
    }
  }

  /** Counts a pause between two failed attempts. */
  add(pauseMs: number): void {
    this.set(this.observed + pauseMs);
  }

  private set(observedMs: number): void {
    this.observed = observedMs;
    this.options.onObserved?.(Math.round(observedMs));
  }
}
