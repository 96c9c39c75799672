/** Asking AWS until it answers: how long it may be away depends on what was begun. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { EksAccess } from '../domain/eks/node-groups';
import { formatDuration } from '../domain/shared/duration';
import type { AwsWaits } from './call-times';
import { CallTimes } from './call-times';
import type { AwsErrorKind } from './errors';
import { AwsError, isAwsError } from './errors';
import { EksApi } from './eks-api';
import type { Backoff } from '../retry/backoff';
import type { Hold } from '../retry/hand-back';
import { Retry } from '../retry/retry-until';
import { HOUR_MS, MINUTE_MS } from '../domain/shared/time-units';
import { defined } from '../domain/shared/defined';

const PAUSES = { firstMs: 1_000, maxMs: 30_000 };

/** How long each kind of error of one kind of call is waited through, in milliseconds; 0: not at all. */
export type AwsRetryPolicy = Partial<Record<AwsErrorKind, number>>;

/** Nothing is begun: an outage of AWS passes within this time, and a person has to see to the rest. */
export const BEFORE_UPDATE: AwsRetryPolicy = { transient: 30 * MINUTE_MS, foreign: 5 * MINUTE_MS };

/** An update goes on at AWS whether or not it is seen. A name that was just made may not be known everywhere yet. */
export const DURING_UPDATE: AwsRetryPolicy = {
  transient: 24 * HOUR_MS,
  foreign: 24 * HOUR_MS,
  credentials: HOUR_MS,
  denied: HOUR_MS,
  'not-found': 2 * MINUTE_MS,
};

/** What AWS does to a node group: an update that is followed, one that has just ended, and what is no update. */
export type AwsWork = 'update' | 'settling' | 'busy';

/** AWS takes minutes at least, so the end of its work is noticed soon enough. */
const MAX_WORK_DELAY_MS = 60_000;

/** Somebody waits at a terminal. */
export const INTERACTIVE: AwsRetryPolicy = { transient: 10_000 };

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
  /** Shown to people while AWS does not answer; undefined when it does again. */
  show: (waitingFor: string | undefined) => void;
  /** How long what was waited for, by earlier attempts of the same activity too; kept up to date. Default: not yet. */
  waits?: AwsWaits;
  /** Ends the attempt when it has waited for an answer of AWS for long. Absent: it waits in place. */
  hold?: Hold;
  /** The same for what AWS is at work on. */
  workHold?: Hold;
}

/** Calls of one kind: the method of the API. */
export type EksAction = Exclude<keyof EksApi, 'close'>;

export class EksCaller {
  private readonly times: CallTimes;
  private readonly waits: AwsWaits;

  constructor(private readonly options: EksCallerOptions) {
    this.waits = options.waits ?? {};
    this.times = new CallTimes(this.waits);
  }

  /** Repeats `call` while its error is one to be waited through; the time counts from the first in a row. */
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
            // An answer, if not the one that was hoped for.
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

  /** How long earlier looks, of earlier attempts too, have found AWS at work on this, in milliseconds. */
  waitedFor(kind: AwsWork): number {
    return this.waits[kind] ?? 0;
  }

  /**
   * Waits before the next look at what AWS is at work on.
   * @throws RetryLater after a while; the next attempt goes on waiting
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
