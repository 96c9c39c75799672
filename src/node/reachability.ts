/** How long a node has been unreachable, as far as somebody looked: time without a worker does not count. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ErrorType } from '../domain/shared/errors';
import { OspatchError, isOspatchError } from '../domain/shared/errors';

const FIRST_PAUSE_MS = 1_000;

/** Keeps the pause short enough that a node is found soon after it is back. */
const MAX_PAUSE_MS = 12_000;

/** One attempt never takes longer; a larger difference means that this machine itself was suspended. */
const MAX_ATTEMPT_MS = 120_000;

/** What a node may answer for a while in the middle of its own update, and for how long that is believed. */
const PASSING_REFUSALS: ReadonlySet<ErrorType> = new Set<ErrorType>(['AuthFailed', 'SudoDenied', 'HelperProtocol']);
const REFUSAL_LIMIT_MS = 10 * 60_000;

/** Thrown when a node has been unreachable for `noticeMs`, or our own job on it has not ended for long: a message to whoever waits, no verdict. */
export class UnreachableNotice extends Error {
  override readonly name = 'UnreachableNotice';

  constructor(
    readonly observedMs: number,
    readonly why: string,
    /** How long our own job has not ended on a node that does answer. Absent: it does not answer. */
    readonly jobMs?: number,
  ) {
    super(why);
  }
}

export interface ReachabilityOptions {
  node: string;
  /** Observed unreachable time after which it is given up. */
  limitMs: number;
  /** `UnreachableAfterChange` once something was changed on the node, `Unreachable` before. */
  giveUpAs: 'Unreachable' | 'UnreachableAfterChange';
  /** Observed unreachable time after which an {@link UnreachableNotice} is thrown; default never. */
  noticeMs?: number;
  signal: AbortSignal;
  now: () => number;
  /** What earlier attempts of the same activity have observed. */
  observedMs?: number;
  /** Called whenever the observed time changes. */
  onObserved?: (observedMs: number) => void;
  /** Called before each pause with the sentence to show. */
  onWaiting: (waitingFor: string) => void;
  /** Called when the node answers again. */
  onBack?: () => void;
}

export class ReachabilityTracker {
  private observed: number;
  private pauseMs = FIRST_PAUSE_MS;

  constructor(private readonly options: ReachabilityOptions) {
    this.observed = options.observedMs ?? 0;
  }

  /** Repeats `attempt` while the node is unreachable. Other errors pass through. */
  async whenReachable<T>(attempt: () => Promise<T>): Promise<T> {
    for (;;) {
      const result = await this.attempt(attempt);
      if (result.reached) return result.value;
      await this.pause();
    }
  }

  /** One attempt; being unreachable is counted, and an error only when the limit is passed. */
  async attempt<T>(attempt: () => Promise<T>): Promise<{ reached: true; value: T } | { reached: false }> {
    const { signal, now } = this.options;
    signal.throwIfAborted();
    const started = now();
    try {
      const value = await attempt();
      if (this.observed > 0) this.options.onBack?.();
      this.set(0);
      this.pauseMs = FIRST_PAUSE_MS;
      return { reached: true, value };
    } catch (error) {
      signal.throwIfAborted();
      if (!isOspatchError(error) || !this.isTransient(error)) throw error;
      this.add(Math.min(MAX_ATTEMPT_MS, Math.max(0, now() - started)));
      if (this.observed >= this.options.limitMs) throw this.timeout(error);
      if (this.observed >= (this.options.noticeMs ?? Infinity)) {
        throw new UnreachableNotice(Math.round(this.observed), error.message);
      }
      this.options.onWaiting(error.message.replace(/\.$/, ''));
      return { reached: false };
    }
  }

  /**
   * Once a change was begun, a refused login is no verdict: PAM, sudo or a directory service may be in the middle of
   * their own update, or not up yet after a boot.
   */
  private isTransient({ type }: OspatchError): boolean {
    if (type === 'Unreachable') return true;
    return (
      this.options.giveUpAs === 'UnreachableAfterChange' &&
      PASSING_REFUSALS.has(type) &&
      this.observed < REFUSAL_LIMIT_MS
    );
  }

  /** Counts a pause between two attempts that both failed. */
  add(pauseMs: number): void {
    this.set(this.observed + pauseMs);
  }

  private set(observedMs: number): void {
    this.observed = observedMs;
    this.options.onObserved?.(Math.round(observedMs));
  }

  /** Waits before the next attempt, longer each time. */
  private async pause(): Promise<void> {
    const left = Math.max(0, this.options.limitMs - this.observed);
    const pauseMs = Math.min(left, this.pauseMs * (1 + Math.random() / 4));
    this.pauseMs = Math.min(MAX_PAUSE_MS, this.pauseMs * 2);
    await sleep(pauseMs, undefined, { signal: this.options.signal });
    this.add(pauseMs);
  }

  private timeout(cause: OspatchError): OspatchError {
    const { node, giveUpAs } = this.options;
    const minutes = Math.round(this.observed / 60_000);
    const duration = minutes >= 1 ? `${minutes} min` : `${Math.round(this.observed / 1000)} s`;
    return new OspatchError(
      {
        type: giveUpAs,
        message: `${node} ${cause.details?.['loggedIn'] === true ? 'did not answer' : 'was unreachable'} for ${duration}${giveUpAs === 'UnreachableAfterChange' ? ' after a change was begun there' : ''}: ${cause.message}`,
        remedy: cause.remedy ?? `check that ${node} is up and that its address and port are right`,
      },
      { cause },
    );
  }
}
