/** Calls AWS until it answers; the time limit depends on whether an update is in progress. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { EksAccess } from '../domain/eks/node-groups';
import { formatDuration } from '../domain/shared/duration';
import type { AwsWaits } from './call-times';
import { CallTimes } from './call-times';
import type { AwsErrorKind } from './errors';
import { AwsError, isAwsError } from './errors';
import { EksApi } from './eks-api';
import type { Backoff } from '../retry/backoff';
import type { Hold } from '../retry/slot-release';
import { Retry } from '../retry/retry-until';
import { HOUR_MS, MINUTE_MS } from '../domain/shared/time-units';
import { defined } from '../domain/shared/defined';

const PAUSES = { firstMs: 1_000, maxMs: 30_000 };

/** For how long to retry each kind of error, in milliseconds; 0: no retry. */
export type AwsRetryPolicy = Partial<Record<AwsErrorKind, number>>;

/** Nothing has been started: an AWS outage ends within this time, and everything else needs a person. */
export const BEFORE_UPDATE: AwsRetryPolicy = { transient: 30 * MINUTE_MS, intermediary: 5 * MINUTE_MS };

/** An update continues at AWS whether observed or not. A recently created name may not be known everywhere yet. */
export const DURING_UPDATE: AwsRetryPolicy = {
  transient: 24 * HOUR_MS,
  intermediary: 24 * HOUR_MS,
  credentials: HOUR_MS,
  denied: HOUR_MS,
  'not-found': 2 * MINUTE_MS,
};

/** What AWS is doing with a node group: a followed update, the time right after an update, or something else. */
export type AwsWork = 'update' | 'settling' | 'busy';

/** AWS operations take minutes, so their end is noticed soon enough. */
const MAX_WORK_DELAY_MS = 60_000;

/** For commands that wait at a terminal. */
export const INTERACTIVE: AwsRetryPolicy = { transient: 10_000 };

/** One client per EKS cluster, kept while its credentials are valid. */
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

  /** The next client reads the credentials again. */
  invalidate(access: EksAccess): void {
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
  /** Displayed while AWS does not answer; undefined when it answers again. */
  show: (waitingFor: string | undefined) => void;
  /** Observed waits, including earlier attempts of the same activity; updated in place. Default: none. */
  waits?: AwsWaits;
  /** Ends the attempt after a while without an answer from AWS. Absent: the attempt waits in place. */
  hold?: Hold;
  /** The same for waits for an operation at AWS. */
  workHold?: Hold;
}

/** A kind of call: a method of the API. */
export type EksAction = Exclude<keyof EksApi, 'close'>;

export class EksCaller {
  private readonly times: CallTimes;
  private readonly waits: AwsWaits;

  constructor(private readonly options: EksCallerOptions) {
    this.waits = options.waits ?? {};
    this.times = new CallTimes(this.waits);
  }

  /** Repeats `call` while its error is retryable; the time counts from the first consecutive error. */
  call<T>(action: EksAction, call: (api: EksApi, signal: AbortSignal) => Promise<T>): Promise<T> {
    const { apis, access, policy, signal, show, hold } = this.options;
    return this.times.during(action, (time) => {
      let seenMs = time.carriedMs;
      let waitedMs = 0;
      const retry = new Retry({
        classify: (error, observedMs) => {
          if (!isAwsError(error)) return null;
          const { kind } = error;
          if (kind === 'credentials') apis.invalidate(access);
          const limitMs = policy[kind] ?? 0;
          if (limitMs === 0) {
            // AWS has answered, although with an error.
            time.onAnswer();
            return null;
          }
          waitedMs = time.add(kind, observedMs - seenMs);
          seenMs = observedMs;
          return {
            leftMs: limitMs - waitedMs,
            waitingFor: `AWS to answer: ${error.message}`,
            wait: { kind: time.waitOf(kind), observedMs: waitedMs },
          };
        },
        timedOut: (error) => (isAwsError(error) ? timedOut(error, waitedMs) : error),
        backoff: PAUSES,
        signal,
        now: () => performance.now(),
        observedMs: time.carriedMs,
        onWaiting: show,
        onAnswered: (wasWaiting) => {
          time.onAnswer();
          if (wasWaiting && !this.times.isWaiting) show(undefined);
        },
        ...defined({ hold }),
      });
      return retry.until(() => call(apis.get(access), signal));
    });
  }

  /** How long this kind of operation has been observed, including earlier attempts, in milliseconds. */
  waitedFor(kind: AwsWork): number {
    return this.waits[kind] ?? 0;
  }

  /**
   * Waits before the next poll of an operation at AWS.
   * @throws RetryLater after a while; the next attempt continues the wait
   */
  async pause(kind: AwsWork, waitingFor: string, pauses: Backoff, leftMs = Infinity): Promise<void> {
    const { signal, show, workHold } = this.options;
    show(waitingFor);
    workHold?.check({ kind, waitingFor, observedMs: this.waitedFor(kind), leftMs, maxDelayMs: MAX_WORK_DELAY_MS });
    const pauseMs = pauses.next();
    await sleep(pauseMs, undefined, { signal });
    this.waits[kind] = this.waitedFor(kind) + pauseMs;
  }
}

function timedOut(error: AwsError, waitedMs: number): AwsError {
  const message = `${error.message}, for ${formatDuration(Math.round(waitedMs / 1_000) * 1_000)} already`;
  return new AwsError(error.kind, error.awsMessage, message, error.remedy);
}

function keyOf({ region, cluster, profile, endpoint }: EksAccess): string {
  return JSON.stringify([region, cluster, profile ?? null, endpoint ?? null]);
}
