/** The Kubernetes API through @kubernetes/client-node. */
import type { ConfigurationOptions, V1DeleteOptions, V1SubjectAccessReview } from '@kubernetes/client-node';
import { FIELD_MANAGER } from '../../domain/kubernetes/types';
import type { PodView } from '../../domain/kubernetes/pod-filter';
import { plainText } from '../../domain/shared/text';
import type { EvictionAnswer, EvictionOptions, KubernetesApi, NodePatch } from './api';
import { ApiError } from './api';
import type { ApiStatus } from './errors';
import { apiStatus } from './errors';
import type { ApiClients, Call } from './call';
import { controllerOf, daemonSetView, deploymentView, toBudgetView, toNodeView, toPodView } from './views';
import { defined } from '../../domain/shared/defined';

/** As in kubectl: bounds the size of an answer. */
const PAGE = 500;

/** A list whose continue token expires is restarted this often. */
const MAX_LIST_ATTEMPTS = 3;

/** Used when a busy server sends no Retry-After. */
const BUSY_RETRY_MS = 5_000;

/** A denial by a webhook, or a webhook that could not be called. */
const WEBHOOK = /\bwebhook "/;

const PATCH = { headers: { 'Content-Type': 'application/strategic-merge-patch+json' } };

/**
 * The server counts a pod against its budgets before deleting it. An aborted eviction holds that count for two minutes,
 * during which the budget allows no other eviction.
 */
const UNINTERRUPTIBLE = { uninterruptible: true } as const;

interface Page<T> {
  items: T[];
  metadata?: { _continue?: string };
}

export function createApi(call: Call): KubernetesApi {
  /** Null when the object does not exist. */
  async function find<T>(what: string, ask: Parameters<typeof call<T>>[1]): Promise<T | null> {
    return call<T | null>(what, (clients, options) => ask(clients, options).catch(orNull));
  }

  async function list<T>(
    what: string,
    ask: (
      clients: ApiClients,
      page: { limit: number; _continue?: string },
      options: ConfigurationOptions,
    ) => Promise<Page<T>>,
  ): Promise<T[]> {
    for (let attempt = 1; ; attempt += 1) {
      const items: T[] = [];
      let next = '';
      do {
        const page = { limit: PAGE, ...defined({ _continue: next === '' ? undefined : next }) };
        const answer = await call<Page<T> | null>(what, (clients, options) =>
          ask(clients, page, options).catch((error: unknown) => (isExpired(error) ? null : rethrow(error))),
        );
        if (answer === null) break;
        items.push(...answer.items);
        next = answer.metadata?._continue ?? '';
        if (next === '') return items;
      } while (next !== '');
      if (attempt === MAX_LIST_ATTEMPTS) {
        throw new ApiError('unavailable', {
          message: `could not ${what}: the list changes faster than it can be read`,
        });
      }
    }
  }

  return {
    readNode: async (name) => {
      const node = await find(`read node ${name}`, ({ core }, options) => core.readNode({ name }, options));
      return node === null ? null : toNodeView(node);
    },

    listNodes: async () =>
      (await list('list the nodes', ({ core }, page, options) => core.listNode(page, options))).map(toNodeView),

    patchNode: async (name, patch) =>
      call(
        `change node ${name}`,
        async ({ core }, options) => {
          try {
            const node = await core.patchNode({ name, fieldManager: FIELD_MANAGER, body: patchBody(patch) }, options);
            return { state: 'patched', node: toNodeView(node) };
          } catch (error) {
            if (apiStatus(error)?.code === 409) return { state: 'conflict' };
            if (isNotThere(error)) return { state: 'gone' };
            throw error;
          }
        },
        PATCH,
      ),

    podsOfNode: async (nodeName) =>
      (
        await list(`list the pods of node ${nodeName}`, ({ core }, page, options) =>
          core.listPodForAllNamespaces({ fieldSelector: `spec.nodeName=${nodeName}`, ...page }, options),
        )
      ).map(toPodView),

    podsByLabel: async (namespace, labelSelector) =>
      (
        await list(`list pods of namespace ${namespace}`, ({ core }, page, options) =>
          core.listNamespacedPod({ namespace, labelSelector, ...page }, options),
        )
      ).map(toPodView),

    evict: async (pod, options) =>
      call(
        `evict pod ${titleOf(pod)}`,
        async ({ core }, config) => {
          const { name, namespace } = pod;
          const body = { metadata: { name, namespace }, deleteOptions: deleteOptions(pod, options) };
          return answerOf(core.createNamespacedPodEviction({ name, namespace, body }, config));
        },
        UNINTERRUPTIBLE,
      ),

    delete: async (pod, options) =>
      call(`delete pod ${titleOf(pod)}`, async ({ core }, config) => {
        const { name, namespace } = pod;
        return answerOf(core.deleteNamespacedPod({ name, namespace, body: deleteOptions(pod, options) }, config));
      }),

    failingChecks: async () => {
      const { code, text } = await call('ask the API server whether it is ready', ({ get }, options) =>
        get('/readyz?verbose', options),
      );
      if (code < 500) return [];
      const failing = [...text.matchAll(/^\[-\](\S{1,60}) failed/gm)].map(([, name = '']) => plainText(name, 60));
      return failing.length > 0 ? failing : [String(code)];
    },

    listBudgets: async () =>
      (
        await list('list the disruption budgets', ({ policy }, page, options) =>
          policy.listPodDisruptionBudgetForAllNamespaces(page, options),
        )
      ).map(toBudgetView),

    listDaemonSets: async () =>
      (
        await list('list the DaemonSets', ({ apps }, page, options) =>
          apps.listDaemonSetForAllNamespaces(page, options),
        )
      ).map(daemonSetView),

    listDeployments: async () =>
      (
        await list('list the Deployments', ({ apps }, page, options) =>
          apps.listDeploymentForAllNamespaces(page, options),
        )
      ).map(deploymentView),

    mayPatchNodes: async ({ namespace, name }) => {
      const answer = await call(
        `ask whether service account ${namespace}/${name} may change nodes`,
        ({ authorization }, options) =>
          authorization.createSubjectAccessReview({ body: reviewOf(namespace, name) }, options),
      );
      return answer.status?.allowed === true;
    },

    ownerOfReplicaSet: async (namespace, name) => {
      const found = await find(`read ReplicaSet ${namespace}/${name}`, ({ apps }, options) =>
        apps.readNamespacedReplicaSet({ namespace, name }, options),
      );
      return found === null ? null : controllerOf(found.metadata);
    },

    readWorkload: async ({ namespace, kind, name }) => {
      const found = await find(`read ${kind} ${namespace}/${name}`, async ({ apps, core }, options) => {
        switch (kind) {
          case 'Deployment':
            return apps.readNamespacedDeployment({ namespace, name }, options);
          case 'StatefulSet':
            return apps.readNamespacedStatefulSet({ namespace, name }, options);
          case 'ReplicaSet':
            return apps.readNamespacedReplicaSet({ namespace, name }, options);
          case 'ReplicationController':
            return core.readNamespacedReplicationController({ namespace, name }, options);
          default:
            // Jobs run to completion; they never become available.
            return null;
        }
      });
      if (found === null) return null;
      const { metadata, spec, status } = found;
      const isObserved = (status?.observedGeneration ?? 0) >= (metadata?.generation ?? 0);
      return {
        wanted: spec?.replicas ?? 1,
        isObserved,
        available: status?.availableReplicas ?? 0,
        podLabels: spec?.template?.metadata?.labels ?? {},
      };
    },
  };
}

/** With the groups that the API server gives to every service account. */
function reviewOf(namespace: string, name: string): V1SubjectAccessReview {
  return {
    spec: {
      user: `system:serviceaccount:${namespace}:${name}`,
      groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
      resourceAttributes: { verb: 'patch', group: '', resource: 'nodes' },
    },
  };
}

function patchBody({ resourceVersion, annotations, unschedulable }: NodePatch): object {
  return {
    metadata: { resourceVersion, annotations },
    // As after kubectl uncordon: the field is removed.
    ...defined({ spec: unschedulable === undefined ? undefined : { unschedulable: unschedulable ? true : null } }),
  };
}

/** Does not affect another pod that has taken the same name. */
function deleteOptions({ uid }: PodView, { gracePeriodSeconds }: EvictionOptions): V1DeleteOptions {
  return { preconditions: { uid }, ...defined({ gracePeriodSeconds }) };
}

async function answerOf(request: Promise<unknown>): Promise<EvictionAnswer> {
  try {
    await request;
    return { state: 'accepted' };
  } catch (error) {
    const status = apiStatus(error);
    const answer = status === null ? null : toEvictionAnswer(status);
    if (answer === null) throw error;
    return answer;
  }
}

/** Null: not an answer about this pod, but a failed call. */
export function toEvictionAnswer(status: ApiStatus): EvictionAnswer | null {
  if (status.intermediary !== null) return null;
  const { code, message, causes, retryAfterMs } = status;
  switch (code) {
    case 404:
    case 409:
      return { state: 'gone' };
    case 429:
      // A webhook's Retry-After concerns this pod only, e.g. a virtual machine that has to migrate.
      if (WEBHOOK.test(message)) return { state: 'denied', message };
      if (!causes.includes('DisruptionBudget')) return { state: 'busy', retryAfterMs: retryAfterMs ?? BUSY_RETRY_MS };
      return retryAfterMs === null || retryAfterMs === 0
        ? { state: 'budget', message }
        : { state: 'not-observed', retryAfterMs };
    case 500:
      if (WEBHOOK.test(message)) return { state: 'denied', message };
      return message.includes('more than one PodDisruptionBudget') ? { state: 'two-budgets' } : null;
    case 403:
      if (causes.includes('NamespaceTerminating')) return { state: 'namespace-terminating' };
      // A denial that is not about the user's permissions is about the pod.
      return /\bUser "[^"]*" cannot /.test(message) ? null : { state: 'denied', message };
    case 400:
    case 422:
      return { state: 'denied', message };
    default:
      return null;
  }
}

function orNull(error: unknown): null {
  return isNotThere(error) ? null : rethrow(error);
}

function isNotThere(error: unknown): boolean {
  const status = apiStatus(error);
  return status?.code === 404 && status.intermediary === null;
}

function isExpired(error: unknown): boolean {
  return apiStatus(error)?.code === 410;
}

function rethrow(error: unknown): never {
  throw error;
}

function titleOf({ namespace, name }: PodView): string {
  return `${namespace}/${name}`;
}
