/** Asking AWS until it answers: how long it may be away depends on what was begun. */
import type { EksAccess } from '../domain/eks/node-groups';
import { formatDuration } from '../domain/shared/duration';
import type { AwsErrorKind } from './errors';
import { AwsError, isAwsError } from './errors';
import { EksApi } from './eks-api';
import type { Hold } from '../retry/hand-back';
import { ObservedTimes } from '../retry/observed-times';
import { Retry } from '../retry/retry-until';
import { HOUR_MS, MINUTE_MS } from '../domain/shared/time-units';

const PAUSES = { firstMs: 1_000, maxMs: 30_000 };

/** How long each kind of error is waited through, one after the other, in milliseconds; 0: not at all. */
export type AwsRetryPolicy = Partial<Record<AwsErrorKind, number>>;

/** Nothing is begun: an outage of AWS passes within this time, and a person has to see to the rest. */
export const BEFORE_UPDATE: AwsRetryPolicy = { passing: 30 * MINUTE_MS, foreign: 5 * MINUTE_MS };

/** An update goes on at AWS whether or not it is seen. A name that was just made may not be known everywhere yet. */
export const DURING_UPDATE: AwsRetryPolicy = {
  passing: 24 * HOUR_MS,
  foreign: 24 * HOUR_MS,
  credentials: HOUR_MS,
  denied: HOUR_MS,
  'not-found': 2 * MINUTE_MS,
};

/** Somebody waits at a terminal. */
export const INTERACTIVE: AwsRetryPolicy = { passing: 10_000 };

/** One client for each EKS cluster, kept as long as its credentials are good. */
export class EksApis {
  private readonly apis = new Map<string, EksApi>();

  get(access: EksAccess): EksApi {
    const key = keyOf(access);
    const known = this.apis.get(key);
    if (known !== undefined) return known;
    const api = new EksApi(access);
    this.apis.set(key, api);
    return api;
  }

  /** The next one reads its credentials anew. */
  forget(access: EksAccess): void {
    const key = keyOf(access);
    this.apis.get(key)?.close();
    this.apis.delete(key);
  }

  close(): void {
    for (const api of this.apis.values()) api.close();
    this.apis.clear();
  }
}

export interface EksCallerOptions {
  apis: EksApis;
  access: EksAccess;
  policy: AwsRetryPolicy;
  signal: AbortSignal;
  /** Shown to people while AWS does not answer; undefined when it does again. */
  show: (waitingFor: string | undefined) => void;
  /** What earlier attempts of the same activity have observed, in milliseconds. */
  observedMs?: number;
  /** Called with the longest time that a call has no answer for. */
  onObserved?: (observedMs: number) => void;
  /** Ends the attempt when it has waited for AWS for long. Absent: it waits in place. */
  hold?: Hold;
}

export class EksCaller {
  private readonly times: ObservedTimes;

  constructor(private readonly options: EksCallerOptions) {
    this.times = new ObservedTimes(options.observedMs ?? 0, options.onObserved);
  }

  get signal(): AbortSignal {
    return this.options.signal;
  }

  show(waitingFor: string | undefined): void {
    this.options.show(waitingFor);
  }

  /** Repeats `call` while its error is one to be waited through; the time counts from the first in a row. */
  async call<T>(call: (api: EksApi, signal: AbortSignal) => Promise<T>): Promise<T> {
    const { apis, access, policy, signal, show, hold } = this.options;
    const one = this.times.begin();
    const retry = new Retry({
      classify: (error, observedMs) => {
        if (!isAwsError(error)) return null;
        if (error.kind === 'credentials') apis.forget(access);
        const limitMs = policy[error.kind] ?? 0;
        if (limitMs > 0) return { leftMs: limitMs - observedMs, waitingFor: `AWS to answer: ${error.message}` };
        // An answer, if not the one that was hoped for.
        one.onEnd();
        return null;
      },
      timedOut: (error, observedMs) => (isAwsError(error) ? timedOut(error, observedMs) : error),
      backoff: PAUSES,
      signal,
      now: () => performance.now(),
      observedMs: one.observedMs,
      onObserved: (ms) => one.onObserved(ms),
      onWaiting: show,
      onAnswered: (wasWaiting) => {
        one.onEnd();
        if (wasWaiting && !this.times.isWaiting) show(undefined);
      },
      ...(hold === undefined ? {} : { hold }),
    });
    return retry.until(() => call(apis.get(access), signal));
  }
}

function timedOut(error: AwsError, waitedMs: number): AwsError {
  const message = `${error.message}, for ${formatDuration(Math.round(waitedMs / 1_000) * 1_000)} already`;
  return new AwsError(error.kind, error.awsMessage, message, error.remedy);
}

function keyOf({ region, cluster, profile, endpoint }: EksAccess): string {
  return JSON.stringify([region, cluster, profile ?? null, endpoint ?? null]);
}
