/**
 * Tracks how long a node has been unreachable, as observed by running workers; time without a worker does not count.
 */
import type { ErrorType } from '../domain/shared/errors';
import { OspatchError, isOspatchError } from '../domain/shared/errors';
import type { Hold } from '../retry/slot-release';
import type { ObservedCall } from '../retry/observed-times';
import { ObservedTimes } from '../retry/observed-times';
import type { Attempt, RetryOptions, Transient } from '../retry/retry-until';
import { Retry } from '../retry/retry-until';

/** The longest pause is short enough that a returning node is noticed soon. */
const PAUSES = { firstMs: 1_000, maxMs: 12_000 };

/** Errors that a node may return temporarily during its own update, and for how long they count as temporary. */
const TRANSIENT_REFUSALS: ReadonlySet<ErrorType> = new Set<ErrorType>(['AuthFailed', 'SudoDenied', 'HelperProtocol']);
const REFUSAL_LIMIT_MS = 10 * 60_000;

/**
 * Thrown when a node has been unreachable for `noticeMs`, or when our job on it has been running for long: informs the
 * caller and is not a failure.
 */
export class UnreachableNotice extends Error {
  override readonly name = 'UnreachableNotice';

  constructor(
    readonly observedMs: number,
    message: string,
    /** For how long our job has been running on a node that answers. Absent: the node does not answer. */
    readonly jobMs?: number,
  ) {
    super(message);
  }
}

export interface ReachabilityOptions {
  node: string;
  /** Observed unreachable time after which the wait fails. */
  limitMs: number;
  /** `UnreachableAfterChange` once the node was changed, `Unreachable` before. */
  giveUpAs: 'Unreachable' | 'UnreachableAfterChange';
  /** Observed unreachable time after which an {@link UnreachableNotice} is thrown; default never. */
  noticeMs?: number;
  signal: AbortSignal;
  now: () => number;
  /** Unreachable time observed by earlier attempts of the same activity. */
  observedMs?: number;
  /** Called whenever the observed time changes. */
  onObserved?: (observedMs: number) => void;
  /** Called before each pause with the clause to display. */
  onWaiting: (waitingFor: string) => void;
  /** Called when the node answers again. */
  onBack?: () => void;
  /** Ends the attempt after a while. Absent: the attempt waits in place. */
  hold?: Hold;
}

export class ReachabilityTracker {
  private readonly times: ObservedTimes;
  private probes: Retry | null = null;

  constructor(private readonly options: ReachabilityOptions) {
    this.times = new ObservedTimes(options.observedMs ?? 0, options.onObserved);
  }

  /** Repeats `attempt` while the node is unreachable. Other errors are thrown. */
  whenReachable<T>(attempt: () => Promise<T>): Promise<T> {
    return this.times.during((call) => this.retry(call).until(attempt));
  }

  /** One attempt of a loop with its own pace; an unreachable node is an error only after the limit. */
  attempt<T>(attempt: () => Promise<T>): Promise<Attempt<T>> {
    this.probes ??= this.retry(this.times.begin());
    return this.probes.attempt(attempt);
  }

  /** Counts the pause between two failed attempts of such a loop. */
  add(pauseMs: number): void {
    this.probes?.add(pauseMs);
  }

  private retry(call: ObservedCall): Retry {
    const { signal, now, hold, onWaiting } = this.options;
    const options: RetryOptions = {
      classify: (error, observedMs) => this.classify(error, observedMs),
      timedOut: (error, observedMs) => this.timedOut(error, observedMs),
      backoff: PAUSES,
      ...{ signal, now, onWaiting },
      observedMs: call.observedMs,
      onObserved: (ms) => call.onObserved(ms),
      onAnswered: (wasWaiting) => {
        call.onEnd();
        if (wasWaiting && !this.times.isWaiting) this.options.onBack?.();
      },
    };
    return new Retry(hold === undefined ? options : { ...options, hold });
  }

  private classify(error: unknown, observedMs: number): Transient | null {
    if (!isOspatchError(error) || !this.isTransient(error, observedMs)) return null;
    const { limitMs, noticeMs = Infinity } = this.options;
    return {
      leftMs: Math.min(limitMs, noticeMs) - observedMs,
      waitingFor: `the node to answer: ${error.message}`,
    };
  }

  /**
   * After a change, a rejected login is temporary: PAM, sudo or a directory service may be in the middle of their own
   * update, or not started yet after a boot.
   */
  private isTransient({ type }: OspatchError, observedMs: number): boolean {
    if (type === 'Unreachable') return true;
    return (
      this.options.giveUpAs === 'UnreachableAfterChange' &&
      TRANSIENT_REFUSALS.has(type) &&
      observedMs < REFUSAL_LIMIT_MS
    );
  }

  private timedOut(error: unknown, observedMs: number): unknown {
    if (!isOspatchError(error)) return error;
    const { node, giveUpAs, limitMs } = this.options;
    if (observedMs < limitMs) return new UnreachableNotice(Math.round(observedMs), error.message);
    const minutes = Math.round(observedMs / 60_000);
    const duration = minutes >= 1 ? `${minutes} min` : `${Math.round(observedMs / 1000)} s`;
    return new OspatchError(
      {
        type: giveUpAs,
        message: `${node} ${error.details?.['loggedIn'] === true ? 'did not answer' : 'was unreachable'} for ${duration}${giveUpAs === 'UnreachableAfterChange' ? ' after a change was begun there' : ''}: ${error.message}`,
        remedy: error.remedy ?? `check that ${node} is up and that its address and port are right`,
      },
      { cause: error },
    );
  }
}
