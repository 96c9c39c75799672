/**
 * The Kubernetes activities: each opens a session with one API server, calls one function of `kubernetes/` and converts
 * the error.
 */
import { activityInfo } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { KubernetesAccess } from '../domain/kubernetes/types';
import { MINUTE_MS } from '../domain/shared/time-units';
import type { NodeStep } from '../domain/node/report';
import { cordonNode, uncordon } from '../kubernetes/drain/cordon';
import type { KubernetesConnections } from '../kubernetes/client/connections';
import type { DrainedSoFar } from '../kubernetes/drain/drain';
import { drainDeadline, drainNode } from '../kubernetes/drain/drain';
import { awaitHealthy } from '../kubernetes/drain/health';
import { nodesOutOfService } from '../kubernetes/drain/out-of-service';
import { findStaleCordons } from '../kubernetes/drain/stale-cordons';
import { drainPreview } from '../kubernetes/drain/preview';
import type { KubeNode } from '../domain/kubernetes/types';
import type { KubeSession, ApiRetryPolicy } from '../kubernetes/session';
import { KUBERNETES_CHANGES, createSession } from '../kubernetes/session';
import { awaitWorkloads } from '../kubernetes/drain/workloads';
import { toApplicationFailure } from './errors';
import type { Heartbeater } from './heartbeat';
import { failedAttempts, updateProgress, withHeartbeat } from './heartbeat';
import type { DrainInput, KubernetesActivities } from '../contract/activities/kubernetes';
import type { ActivityLog } from './node';
import { defined } from '../domain/shared/defined';

export interface KubernetesActivityDeps {
  connections: KubernetesConnections;
  log: ActivityLog;
  /** Default: Date.now. */
  now?: () => number;
  /** How long a node must stay healthy; default 5 s. */
  settledMs?: number;
  /** UID of the pod in which this worker runs; default null: it is no pod. */
  podUid?: string | null;
  /** How long allowed calls may be rejected as forbidden; default 20 s. */
  forbiddenGraceMs?: number;
}

/** Limit for a query of the interactive `doctor`. */
const STALE_CORDONS_LIMIT_MS = 10_000;

/** A run that knows nothing newer starts no node; it asks again. */
const OUT_OF_SERVICE_LIMIT_MS = 30_000;

/** An API server on the rebooted node needs time to start, and a working node should not stay cordoned. */
const AFTER_WORK: ReadonlySet<NodeStep> = new Set<NodeStep>(['verify', 'uncordon']);
const AFTER_WORK_HOLD_MS = 3 * MINUTE_MS;

interface Subject {
  step: NodeStep;
  target: KubeNode & { access: KubernetesAccess };
}

export function createKubernetesActivities(deps: KubernetesActivityDeps): KubernetesActivities {
  const now = deps.now ?? Date.now;

  async function inKubernetes<R>(
    { step, target }: Subject,
    policy: (elapsedMs: number) => ApiRetryPolicy,
    body: (session: KubeSession, heartbeater: Heartbeater) => Promise<R>,
  ): Promise<R> {
    const { attempt } = activityInfo();
    const fields = { cluster: target.cluster, node: target.node, step };
    // Aborts calls that other calls of the session left running after a final error.
    const over = new AbortController();
    return withHeartbeat(step, async (heartbeater) => {
      const { details, send, elapsedMs, hold } = heartbeater;
      const signal = AbortSignal.any([heartbeater.signal, over.signal]);
      const session = createSession({
        api: deps.connections.api(target.access, signal),
        target,
        retryPolicy: policy(elapsedMs()),
        signal,
        now,
        ...defined({ forbiddenGraceMs: deps.forbiddenGraceMs, podUid: deps.podUid }),
        observedMs: details.unreachableMs,
        onObserved: (ms) => {
          details.unreachableMs = ms;
        },
        changes: {
          observedMs: details.waits?.[KUBERNETES_CHANGES] ?? 0,
          onObserved: (ms) => {
            details.waits = { ...details.waits, [KUBERNETES_CHANGES]: ms };
          },
        },
        hold: hold('unreachable', { firstMs: AFTER_WORK.has(step) ? AFTER_WORK_HOLD_MS : undefined }),
        show: (progress) => {
          if (updateProgress(details, progress, now())) send();
        },
      });
      return body(session, heartbeater).finally(() => over.abort(new Error('the activity has ended')));
    }).catch((error: unknown) => {
      const failure = toApplicationFailure(error, failedAttempts());
      if (failure instanceof ApplicationFailure && failure.type === 'Internal') {
        deps.log.error({ ...fields, attempt, err: error }, 'unexpected error in a Kubernetes activity');
      } else deps.log.info({ ...fields, attempt, error: failure.message }, 'Kubernetes activity ended early');
      throw failure;
    });
  }

  /** Deducts the time waited by earlier attempts. */
  function within(timeoutMs: number): (elapsedMs: number) => ApiRetryPolicy {
    return (elapsedMs) => untilDeadline(now() + left(timeoutMs, elapsedMs));
  }

  return {
    drainPreview: ({ target, machine, policy, owners, unreachableTimeoutMs }) =>
      inKubernetes({ step: 'preflight', target }, beforeChange(unreachableTimeoutMs), (session) =>
        drainPreview(session, machine, policy, owners),
      ),

    cordon: ({ target, machine, owner, unreachableTimeoutMs }) =>
      inKubernetes({ step: 'drain', target }, beforeChange(unreachableTimeoutMs), (session, { elapsedMs }) =>
        cordonNode(session, { machine, owner, waitedMs: elapsedMs() }),
      ),

    drain: ({ target, machine, policy, startedAt, planned, again = false }) => {
      const startedAtMs = Date.parse(startedAt);
      return inKubernetes(
        { step: 'drain', target },
        () => untilDeadline(drainDeadline(policy, startedAtMs, now())),
        (session, { details, send }) =>
          drainNode(session, {
            machine,
            policy,
            startedAtMs,
            again,
            earlier: details.drained ?? sincePreview(planned),
            remember: (soFar) => {
              details.drained = { ...soFar };
              send();
            },
          }),
      );
    },

    awaitHealthy: ({ target, machine, baseline, timeoutMs }) =>
      inKubernetes({ step: 'verify', target }, within(timeoutMs), (session, { elapsedMs }) =>
        awaitHealthy(session, {
          machine,
          baseline,
          timeoutMs: left(timeoutMs, elapsedMs()),
          ...defined({ settledMs: deps.settledMs }),
        }),
      ),

    uncordon: ({ target, owner }) =>
      inKubernetes(
        { step: 'uncordon', target },
        () => untilDeadline(Infinity),
        (session) => uncordon(session, owner),
      ),

    awaitWorkloads: ({ target, workloads, timeoutMs }) =>
      inKubernetes({ step: 'verify', target }, within(timeoutMs), (session, { elapsedMs }) =>
        awaitWorkloads(session, { workloads, timeoutMs: left(timeoutMs, elapsedMs()) }),
      ),

    outOfService: ({ cluster, access, nodeNames }) =>
      inKubernetes(
        { step: 'preflight', target: { cluster, node: cluster, nodeName: '', access } },
        beforeChange(OUT_OF_SERVICE_LIMIT_MS),
        (session) => nodesOutOfService(session, nodeNames),
      ),

    findStaleCordons: ({ cluster, access }) =>
      inKubernetes(
        { step: 'preflight', target: { cluster, node: cluster, nodeName: '', access } },
        beforeChange(STALE_CORDONS_LIMIT_MS),
        (session) => findStaleCordons(session, cluster),
      ),
  };
}

function left(timeoutMs: number, elapsedMs: number): number {
  return Math.max(0, timeoutMs - elapsedMs);
}

/** Before any change: fails after `limitMs`; rejected credentials need a person at once. */
function beforeChange(limitMs: number): () => ApiRetryPolicy {
  return () => ({ limitMs, transient: ['unavailable'] });
}

/** After a change: credentials may be renewed in time, and a starting server may still load its permissions. */
function untilDeadline(untilMs: number): ApiRetryPolicy {
  return { limitMs: Infinity, untilMs, transient: ['unavailable', 'credentials', 'forbidden'] };
}

/** A killed attempt may not have reported its evictions; the first attempt has evicted nothing yet. */
function sincePreview(planned: DrainInput['planned']): DrainedSoFar | null {
  if (planned === undefined || activityInfo().attempt === 1) return null;
  return { total: planned.evict, evicted: 0, workloads: planned.workloads };
}
