/** What a step in Kubernetes works with: the API, calls that are repeated until its server answers, and progress for people. */
import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { OspatchError } from '../domain/shared/errors';
import type { BlockedPod, KubeNode } from '../domain/kubernetes/types';
import type { ApiErrorKind, KubernetesApi } from './client/api';
import { ApiError } from './client/api';
import type { Hold } from '../retry/hand-back';
import type { ObservedCall } from '../retry/observed-times';
import { ObservedTimes } from '../retry/observed-times';
import type { RetryOptions, Transient } from '../retry/retry-until';
import { Retry } from '../retry/retry-until';
import { defined } from '../domain/shared/defined';

/** The longest pause is short enough that a server is found soon after it is back. */
const PAUSES = { firstMs: 500, maxMs: 8_000 };

/** An API server that has just started knows nobody's rights for a moment. */
const FORBIDDEN_GRACE_MS = 20_000;
/** As long as nothing says that it has: measured are less than 0.1 s on an idle machine, and people wait for this. */
const FORBIDDEN_AT_FIRST_MS = 3_000;

/** What is waited for, apart from answers to questions, in what attempts leave to each other. */
export const KUBERNETES_CHANGES = 'changes to Kubernetes';

/** More questions at once than this would be a mistake. */
const MAX_AT_ONCE = 64;

export interface KubeProgress {
  done?: number;
  total?: number;
  waitingFor?: string | undefined;
  /** ISO 8601; absent: since it was told first. */
  waitingSince?: string;
  /** Pods a drain waits for. */
  blocked?: BlockedPod[];
}

export interface KubeSession {
  api: KubernetesApi;
  target: KubeNode;
  /** Asks until the server answers, or the time of the retry policy is over. */
  reach<T>(ask: (api: KubernetesApi) => Promise<T>): Promise<T>;
  /** The same for what changes something: a server that answers questions may still take no changes. */
  change<T>(ask: (api: KubernetesApi) => Promise<T>): Promise<T>;
  show(progress: KubeProgress): void;
  pause(ms: number): Promise<void>;
  now(): number;
}

export interface ApiRetryPolicy {
  /** Observed time without an answer after which it is given up; Infinity: never. */
  limitMs: number;
  /** Moment at which it is given up, in milliseconds; default never. */
  untilMs?: number;
  /** What may pass by itself. Credentials do when somebody renews them; rights that are missing are waited for briefly. */
  transient: readonly ApiErrorKind[];
}

export interface SessionOptions {
  api: KubernetesApi;
  target: KubeNode;
  retryPolicy: ApiRetryPolicy;
  /** Ends every call; to be aborted when the work of the session is over. */
  signal: AbortSignal;
  now: () => number;
  show: (progress: KubeProgress) => void;
  /** What earlier attempts of the same activity have observed. */
  observedMs?: number;
  /** Called with the longest time that a call has no answer for. */
  onObserved?: (observedMs: number) => void;
  /** The same for calls that change something. */
  changes?: { observedMs: number; onObserved: (observedMs: number) => void };
  /** How long it may be forbidden what is allowed; default 20 s. */
  forbiddenGraceMs?: number;
  /** Ends the attempt when it has waited for the server for long. Absent: it waits in place. */
  hold?: Hold;
}

export function createSession(options: SessionOptions): KubeSession {
  const { api, target, retryPolicy, signal, now, show, forbiddenGraceMs = FORBIDDEN_GRACE_MS, hold } = options;
  const reads = new ObservedTimes(options.observedMs ?? 0, options.onObserved);
  const changes = new ObservedTimes(options.changes?.observedMs ?? 0, options.changes?.onObserved);
  let wasUnavailable = false;
  setMaxListeners(MAX_AT_ONCE, signal);

  /** Whether a later answer to the same question may be another one. */
  function isTransient({ kind }: ApiError, forbiddenMs: number): boolean {
    if (kind !== 'forbidden') return retryPolicy.transient.includes(kind);
    const isExpected = wasUnavailable || retryPolicy.transient.includes(kind);
    return forbiddenMs < (isExpected ? forbiddenGraceMs : Math.min(FORBIDDEN_AT_FIRST_MS, forbiddenGraceMs));
  }

  /** Each call counts for itself: ten that wait for the same server at once have waited no longer than one. */
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
  return { api, target, reach, change, show, pause, now };
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
