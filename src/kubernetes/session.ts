/** What a step in Kubernetes works with: the API, the patience to wait for it, and the eyes of those who watch. */
import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { OspatchError } from '../domain/shared/errors';
import type { BlockedPod } from '../domain/kubernetes/types';
import type { ApiErrorKind, KubernetesApi } from './client/api';
import { ApiError } from './client/api';

const FIRST_PAUSE_MS = 500;

/** Keeps the pause short enough that a server is found soon after it is back. */
const MAX_PAUSE_MS = 8_000;

/** An API server that has just started knows nobody's rights for a moment. */
const FORBIDDEN_GRACE_MS = 20_000;
/** As long as nothing says that it has: measured are less than 0.1 s on an idle machine, and people wait for this. */
const FORBIDDEN_AT_FIRST_MS = 3_000;

/** More questions at once than this would be a mistake. */
const MAX_AT_ONCE = 64;

/** One attempt never takes longer; a larger difference means that this machine itself was suspended. */
const MAX_ATTEMPT_MS = 120_000;

/** One node of one cluster, by both its names. */
export interface KubeNode {
  cluster: string;
  /** The node's name in ospatch; messages name it. */
  node: string;
  /** Its name in Kubernetes. */
  nodeName: string;
}

/** What the machine at the other end of SSH says it is. */
export interface Machine {
  machineId: string;
  bootId: string;
}

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
  /** Asks until the server answers, or the patience is over. */
  reach<T>(ask: (api: KubernetesApi) => Promise<T>): Promise<T>;
  show(progress: KubeProgress): void;
  pause(ms: number): Promise<void>;
  now(): number;
}

export interface RetryPolicy {
  /** Observed time without an answer after which it is given up; Infinity: never. */
  limitMs: number;
  /** Moment at which it is given up, in milliseconds; default never. */
  untilMs?: number;
  /** What may pass by itself. Credentials do when somebody renews them; rights that are missing are waited for briefly. */
  passing: readonly ApiErrorKind[];
}

export interface SessionOptions {
  api: KubernetesApi;
  target: KubeNode;
  patience: RetryPolicy;
  signal: AbortSignal;
  now: () => number;
  show: (progress: KubeProgress) => void;
  /** What earlier attempts of the same activity have observed. */
  observedMs?: number;
  onObserved?: (observedMs: number) => void;
  /** How long it may be forbidden what is allowed; default 20 s. */
  forbiddenGraceMs?: number;
}

export function createSession(options: SessionOptions): KubeSession {
  const { api, target, patience, signal, now, show, forbiddenGraceMs = FORBIDDEN_GRACE_MS } = options;
  let observed = options.observedMs ?? 0;
  let wasAway = false;
  setMaxListeners(MAX_AT_ONCE, signal);
  const pause = async (ms: number): Promise<void> => {
    await sleep(Math.max(0, ms), undefined, { signal });
  };
  const observe = (ms: number): void => {
    observed = ms;
    options.onObserved?.(Math.round(ms));
  };

  /** Whether a later answer to the same question may be another one. */
  function isTransient({ kind }: ApiError, forbiddenMs: number): boolean {
    if (kind !== 'forbidden') return patience.passing.includes(kind);
    const isExpected = wasAway || patience.passing.includes(kind);
    return forbiddenMs < (isExpected ? forbiddenGraceMs : Math.min(FORBIDDEN_AT_FIRST_MS, forbiddenGraceMs));
  }

  async function reach<T>(ask: (api: KubernetesApi) => Promise<T>): Promise<T> {
    let isWaiting = false;
    let forbiddenSince: number | null = null;
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(MAX_PAUSE_MS, pauseMs * 2)) {
      signal.throwIfAborted();
      const started = now();
      try {
        const value = await ask(api);
        observe(0);
        if (isWaiting) show({ waitingFor: undefined });
        return value;
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof ApiError)) throw error;
        if (error.kind === 'forbidden') forbiddenSince ??= now();
        else forbiddenSince = null;
        if (!isTransient(error, forbiddenSince === null ? 0 : now() - forbiddenSince)) throw error;
        wasAway ||= error.kind === 'away';
        observe(observed + Math.min(MAX_ATTEMPT_MS, Math.max(0, now() - started)));
        const left = Math.min(patience.limitMs - observed, (patience.untilMs ?? Infinity) - now());
        if (left <= 0) throw timedOut(target, error, observed);
        isWaiting = true;
        show({ waitingFor: `the API server: ${error.message.replace(/\.$/, '')}` });
        const wait = Math.min(left, Math.max(pauseMs, error.retryAfterMs ?? 0));
        await pause(wait);
        observe(observed + wait);
      }
    }
  }

  return { api, target, reach, show, pause, now };
}

function timedOut(target: KubeNode, cause: ApiError, observedMs: number): OspatchError {
  const minutes = Math.round(observedMs / 60_000);
  const duration = minutes >= 1 ? `${minutes} min` : `${Math.round(observedMs / 1000)} s`;
  return new OspatchError(
    {
      type: 'KubernetesApi',
      message: `${target.node}: ${cause.message.replace(/\.$/, '')}; tried for ${duration}.`,
      ...(cause.remedy === undefined ? {} : { remedy: cause.remedy }),
    },
    { cause },
  );
}
