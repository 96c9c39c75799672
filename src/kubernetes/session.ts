/** The context of a Kubernetes step: API calls that are retried until the server answers, and displayed progress. */
import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { OspatchError } from '../domain/shared/errors';
import type { BlockedPod, KubeNode } from '../domain/kubernetes/types';
import type { ApiErrorKind, KubernetesApi } from './client/api';
import { ApiError } from './client/api';
import type { Hold } from '../retry/slot-release';
import type { ObservedCall } from '../retry/observed-times';
import { ObservedTimes } from '../retry/observed-times';
import type { RetryOptions, Transient } from '../retry/retry-until';
import { Retry } from '../retry/retry-until';
import { defined } from '../domain/shared/defined';

/** The longest pause is short enough that a returning server is noticed soon. */
const PAUSES = { firstMs: 500, maxMs: 8_000 };

/** An API server that has just started may not know any permissions yet. */
const FORBIDDEN_GRACE_MS = 20_000;
/**
 * Grace period without signs of a restart: measured below 0.1 s on an idle machine, and interactive commands wait for
 * it.
 */
const FORBIDDEN_AT_FIRST_MS = 3_000;

/** Key of the observed time of changes, as opposed to reads, in the state handed to the next attempt. */
export const KUBERNETES_CHANGES = 'changes to Kubernetes';

/** More concurrent calls would be a mistake. */
const MAX_AT_ONCE = 64;

export interface KubeProgress {
  done?: number;
  total?: number;
  waitingFor?: string | undefined;
  /** ISO 8601; absent: since the first report. */
  waitingSince?: string;
  /** Pods that a drain waits for. */
  blocked?: BlockedPod[];
}

export interface KubeSession {
  api: KubernetesApi;
  target: KubeNode;
  /** UID of the pod in which this worker runs; null: it is no pod. */
  podUid: string | null;
  /** Retries until the server answers, or the limit of the retry policy is exceeded. */
  reach<T>(ask: (api: KubernetesApi) => Promise<T>): Promise<T>;
  /** The same for changes: a server that answers reads may still reject changes. */
  change<T>(ask: (api: KubernetesApi) => Promise<T>): Promise<T>;
  show(progress: KubeProgress): void;
  pause(ms: number): Promise<void>;
  now(): number;
}

export interface ApiRetryPolicy {
  /** Observed time without an answer after which the call fails; Infinity: never. */
  limitMs: number;
  /** Time at which the call fails, in milliseconds; default never. */
  untilMs?: number;
  /**
   * Error kinds that may resolve by themselves: credentials may be renewed; missing permissions get a short grace
   * period.
   */
  transient: readonly ApiErrorKind[];
}

export interface SessionOptions {
  api: KubernetesApi;
  target: KubeNode;
  retryPolicy: ApiRetryPolicy;
  /** Aborts all calls; to be aborted when the session ends. */
  signal: AbortSignal;
  now: () => number;
  show: (progress: KubeProgress) => void;
  /** Unreachable time observed by earlier attempts of the same activity. */
  observedMs?: number;
  /** Called with the longest time for which a call has had no answer. */
  onObserved?: (observedMs: number) => void;
  /** The same for changes. */
  changes?: { observedMs: number; onObserved: (observedMs: number) => void };
  /** How long allowed calls may be rejected as forbidden; default 20 s. */
  forbiddenGraceMs?: number;
  /** Ends the attempt after a while without an answer. Absent: the attempt waits in place. */
  hold?: Hold;
  /** UID of the pod in which this worker runs; absent or null: it is no pod. */
  podUid?: string | null;
}

export function createSession(options: SessionOptions): KubeSession {
  const { api, target, retryPolicy, signal, now, show, forbiddenGraceMs = FORBIDDEN_GRACE_MS, hold } = options;
  const { podUid = null } = options;
  const reads = new ObservedTimes(options.observedMs ?? 0, options.onObserved);
  const changes = new ObservedTimes(options.changes?.observedMs ?? 0, options.changes?.onObserved);
  let wasUnavailable = false;
  setMaxListeners(MAX_AT_ONCE, signal);

  /** Whether a retry may give another answer. */
  function isTransient({ kind }: ApiError, forbiddenMs: number): boolean {
    if (kind !== 'forbidden') return retryPolicy.transient.includes(kind);
    const isExpected = wasUnavailable || retryPolicy.transient.includes(kind);
    return forbiddenMs < (isExpected ? forbiddenGraceMs : Math.min(FORBIDDEN_AT_FIRST_MS, forbiddenGraceMs));
  }

  /** Each call is counted separately: ten concurrent calls to one server have waited no longer than one. */
  function reach<T>(ask: (api: KubernetesApi) => Promise<T>): Promise<T> {
    return reads.during((call) => retryOf(call, {}).until(() => ask(api)));
  }

  function change<T>(ask: (api: KubernetesApi) => Promise<T>): Promise<T> {
    return changes.during((call) => retryOf(call, { kind: KUBERNETES_CHANGES }).until(() => ask(api)));
  }

  function retryOf(call: ObservedCall, { kind }: { kind?: string }): Retry {
    let forbiddenSince: number | null = null;
    const classify = (error: unknown, observedMs: number): Transient | null => {
      if (!(error instanceof ApiError)) return null;
      if (error.kind === 'forbidden') forbiddenSince ??= now();
      else forbiddenSince = null;
      if (!isTransient(error, forbiddenSince === null ? 0 : now() - forbiddenSince)) {
        if (error.kind !== 'credentials') call.onEnd();
        return null;
      }
      wasUnavailable ||= error.kind === 'unavailable';
      return {
        leftMs: Math.min(retryPolicy.limitMs - observedMs, (retryPolicy.untilMs ?? Infinity) - now()),
        waitingFor: `the API server: ${error.message}`,
        retryAfterMs: error.retryAfterMs,
        ...defined({ wait: kind === undefined ? undefined : { kind, observedMs } }),
      };
    };
    const retry: RetryOptions = {
      classify,
      timedOut: (error, observedMs) => (error instanceof ApiError ? timedOut(target, error, observedMs) : error),
      backoff: PAUSES,
      ...{ signal, now },
      observedMs: call.observedMs,
      onObserved: (ms) => call.onObserved(ms),
      onWaiting: (waitingFor) => show({ waitingFor }),
      onAnswered: (wasWaiting) => {
        call.onEnd();
        if (wasWaiting && !reads.isWaiting && !changes.isWaiting) show({ waitingFor: undefined });
      },
    };
    return new Retry(hold === undefined ? retry : { ...retry, hold });
  }

  const pause = async (ms: number): Promise<void> => {
    await sleep(Math.max(0, ms), undefined, { signal });
  };
  return { api, target, podUid, reach, change, show, pause, now };
}

function timedOut(target: KubeNode, cause: ApiError, observedMs: number): OspatchError {
  const minutes = Math.round(observedMs / 60_000);
  const duration = minutes >= 1 ? `${minutes} min` : `${Math.round(observedMs / 1000)} s`;
  return new OspatchError(
    {
      type: 'KubernetesApi',
      message: `${target.node}: ${cause.message}; tried for ${duration}`,
      ...defined({ remedy: cause.remedy }),
    },
    { cause },
  );
}
