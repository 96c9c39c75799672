/**
 * The one loop that repeats a call until it is answered. Time without an answer counts for the call that has met it, and
 * only as far as somebody looked: neither time without a worker nor what other calls wait for at the same time is added.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { BackoffOptions } from './backoff';
import { Backoff } from './backoff';
import type { Hold } from './hand-back';

/** One attempt never takes longer; a larger difference means that this machine itself was suspended. */
const MAX_ATTEMPT_MS = 120_000;

/** An error after which another attempt may be answered. */
export interface Transient {
  /** What is left of the time for such errors, in milliseconds; Infinity: there is no end. */
  leftMs: number;
  /** What is waited for, as a clause. */
  waitingFor: string;
  /** Shortest pause that the other side asks for, in milliseconds. */
  retryAfterMs?: number | null;
  /** What is counted apart from other errors of the same call; times in milliseconds. */
  wait?: { kind: string; observedMs: number };
}

export interface RetryOptions {
  /** Null: the error is final. `observedMs` without an answer in a row, the failed attempt included. */
  classify(error: unknown, observedMs: number): Transient | null;
  /** What to throw when nothing is left of the time. */
  timedOut(error: unknown, observedMs: number): unknown;
  backoff: BackoffOptions;
  signal: AbortSignal;
  now: () => number;
  /** What was observed before the first attempt, in milliseconds; default 0. */
  observedMs?: number;
  /** Called with the observed time whenever it changes, 0 when the call is answered. */
  onObserved?: (observedMs: number) => void;
  /** Called before each pause. */
  onWaiting: (waitingFor: string) => void;
  /** Called with each answer. */
  onAnswered?: (wasWaiting: boolean) => void;
  /** Ends the attempt when it has waited for long. Absent: it waits in place. */
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
   * Repeats `call` until it is answered, or its error is final, or the time for such errors is over.
   * @throws RetryLater when there is a hold and it is over
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

  /** One attempt; the pause before the next one is the caller's, who tells its length by {@link add}. */
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

  /** Counts a pause between two attempts that both failed. */
  add(pauseMs: number): void {
    this.set(this.observed + pauseMs);
  }

  private set(observedMs: number): void {
    this.observed = observedMs;
    this.options.onObserved?.(Math.round(observedMs));
  }
}
