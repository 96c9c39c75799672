/** The `kubernetes` section of a spec document: schema, field descriptions and defaults. */
import { z } from 'zod';
import {
  DEFAULT_DRAIN,
  DEFAULT_KUBERNETES_HEALTH,
  DRAIN_RULE_ACTIONS,
  IN_CLUSTER,
  ON_DRAIN_TIMEOUT,
} from '../kubernetes/types';
import type { DrainRule, KubernetesPolicy } from '../kubernetes/types';
import { TRUSTED_NAMESPACES } from '../node/reboot-owners';
import * as field from './fields';
import type { SpecIssue, SpecPath } from './issues';
import { show, valueAt } from './issues';
import { defined } from '../shared/defined';

/** More rules than this are a mistake. */
export const MAX_RULES = 50;
const MAX_ORDER = 1_000;

const rulesError = `a list of at most ${MAX_RULES} rules`;

export const drainRule = z.strictObject(
  {
    podSelector: field.labelSelector.describe('Label selector as in kubectl -l: the pods to which this rule applies.'),
    namespace: field.namespace.optional().describe('Only pods of this namespace. Default: all namespaces.'),
    action: field
      .choice(DRAIN_RULE_ACTIONS)
      .default('evict')
      .describe(
        'evict: the pod is evicted like any other. skip: the pod stays on the node. wait-completed: the pod is not evicted; the drain waits until it has ended.',
      ),
    order: field
      .wholeNumber(-MAX_ORDER, MAX_ORDER)
      .default(0)
      .describe(
        'Pods with a lower number are evicted first, and are gone before the next number starts; pods without a rule have 0.',
      ),
  },
  { error: 'a mapping with podSelector, namespace, action and order' },
);

export const drainFields = {
  ignoreDaemonsets: field
    .flag()
    .default(DEFAULT_DRAIN.ignoreDaemonsets)
    .describe(
      'true: DaemonSet pods stay, because they would be recreated at once. false: a node with such pods is refused.',
    ),
  deleteEmptydirData: field
    .flag()
    .default(DEFAULT_DRAIN.deleteEmptydirData)
    .describe(
      'true: pods with emptyDir volumes are evicted too, and lose that data. false: a node with such pods is refused.',
    ),
  force: field
    .flag()
    .default(DEFAULT_DRAIN.force)
    .describe('true: pods that no controller would recreate are evicted too. false: a node with such pods is refused.'),
  gracePeriod: field
    .duration('0s', '1d', 'leave it out for the grace period of each pod (-1 of kubectl)')
    .optional()
    .describe(
      'Termination grace period of the pods. 0s: pods are killed at once. Default: the grace period of each pod.',
    ),
  timeout: field
    .duration('10s', '7d')
    .default(DEFAULT_DRAIN.timeout)
    .describe('How long the drain of one node may take; after that, onDrainTimeout applies.'),
  podSelector: field.labelSelector
    .optional()
    .describe('Label selector as in kubectl -l: only these pods are evicted. Default: all.'),
  disableEviction: field
    .flag()
    .default(DEFAULT_DRAIN.disableEviction)
    .describe('true: pods are deleted instead of evicted, which ignores PodDisruptionBudgets.'),
  skipWaitForDeleteTimeout: field
    .duration('1s', '1d', 'leave it out to wait for all pods (0 of kubectl)')
    .optional()
    .describe(
      'The drain does not wait for pods that have been terminating for longer than this. Default: it waits for all pods.',
    ),
  onDrainTimeout: field
    .choice(ON_DRAIN_TIMEOUT)
    .default(DEFAULT_DRAIN.onDrainTimeout)
    .describe(
      'fail: the node is uncordoned and counts as failed. skip-node: the node is uncordoned and skipped, and the run continues. proceed: the node is patched although pods are left.',
    ),
  rules: z
    .array(drainRule, { error: rulesError })
    .max(MAX_RULES, {
      error: ({ input }) => `found ${(input as unknown[]).length} rules; allowed: ${rulesError}`,
    })
    .default([])
    .describe('Exceptions for selected pods; the first rule that matches a pod applies.'),
};

const drain = z.strictObject(drainFields, { error: `a mapping with ${Object.keys(drainFields).join(', ')}` });

const health = z.strictObject(
  {
    readyTimeout: field
      .duration('10s', '1d')
      .default(DEFAULT_KUBERNETES_HEALTH.readyTimeout)
      .describe(
        'How long the node may take, after the patch, to be Ready with its DaemonSet pods; after that the node counts as failed.',
      ),
    workloadsTimeout: field
      .duration('10s', '1d')
      .optional()
      .describe(
        'How long the evicted workloads may take to have as many available pods as before; the next node starts after that, and a node that exceeds the limit counts as failed. Default: no wait.',
      ),
  },
  { error: 'a mapping with readyTimeout and workloadsTimeout' },
);

const MAX_NAMESPACES = 50;
const namespacesError = `a list of at most ${MAX_NAMESPACES} namespaces`;

export const kubernetesSchema = z.strictObject(
  {
    kubeconfig: field.kubeconfig.describe(
      "Name of a kubeconfig in the worker's directory (OSPATCH_KUBECONFIG_DIR, default ~/.config/ospatch/kubeconfigs, as root /etc/ospatch/kubeconfigs), never a path; or in-cluster for a worker that runs as a pod of this cluster.",
    ),
    context: field.kubeContext.optional().describe('Context of the kubeconfig. Default: its current context.'),
    trustedNamespaces: z
      .array(field.namespace, { error: namespacesError })
      .max(MAX_NAMESPACES, { error: namespacesError })
      .optional()
      .describe(
        `Namespaces in which only administrators create workloads: a kured or system-upgrade-controller there refuses the drain. Elsewhere one does only if its service account may change nodes. Default: ${TRUSTED_NAMESPACES.join(', ')}.`,
      ),
    drain: drain.prefault({}).describe('How a node is drained before it is patched: the options of kubectl drain.'),
    health: health
      .prefault({})
      .describe('Conditions that must hold again after the patch, before the next node starts.'),
  },
  { error: 'a mapping with kubeconfig, context, trustedNamespaces, drain and health' },
);

type KubernetesDocument = z.output<typeof kubernetesSchema>;

export function normaliseKubernetes({
  kubeconfig,
  context,
  trustedNamespaces,
  drain: given,
  health: wanted,
}: KubernetesDocument): KubernetesPolicy {
  const { gracePeriod, podSelector, skipWaitForDeleteTimeout, rules, ...options } = given;
  const { readyTimeout, workloadsTimeout } = wanted;
  return {
    kubeconfig,
    ...defined({ context, trustedNamespaces }),
    drain: {
      ...options,
      ...defined({ gracePeriod, podSelector, skipWaitForDeleteTimeout }),
      rules: rules.map(({ namespace, ...one }): DrainRule => ({
        ...one,
        ...defined({ namespace }),
      })),
    },
    health: { readyTimeout, ...defined({ workloadsTimeout }) },
  };
}

/** Rules across `kubernetes` and other fields of the raw document. */
export function kubernetesIssues(document: unknown): SpecIssue[] {
  if (valueAt(document, ['kubernetes']) === undefined) return namesWithoutCluster(document);
  return [...withoutDrainIssues(document), ...contextIssues(document), ...nameIssues(document)];
}

function withoutDrainIssues(document: unknown): SpecIssue[] {
  const path: SpecPath = ['patching', 'withoutDrain'];
  if (valueAt(document, path) !== true) return [];
  return [
    error(
      path,
      'found true, but with `kubernetes` every node is drained; allowed: false; remove withoutDrain, or remove `kubernetes` if workloads may be interrupted',
    ),
  ];
}

function contextIssues(document: unknown): SpecIssue[] {
  const path: SpecPath = ['kubernetes', 'context'];
  const context = valueAt(document, path);
  if (valueAt(document, ['kubernetes', 'kubeconfig']) !== IN_CLUSTER || context === undefined) return [];
  return [
    error(path, `found ${show(context)}, but ${IN_CLUSTER} has no contexts; remove context, or name a kubeconfig`),
  ];
}

/** With two nodes under one Kubernetes name, the workloads of the wrong machine would be evicted. */
function nameIssues(document: unknown): SpecIssue[] {
  const issues: SpecIssue[] = [];
  const first = new Map<unknown, number>();
  for (const [index] of nodesOf(document).entries()) {
    const path: SpecPath = ['nodes', index, 'kubernetesName'];
    const given = valueAt(document, path);
    const name = given ?? valueAt(document, ['nodes', index, 'name']);
    const before = first.get(name);
    if (before === undefined) first.set(name, index);
    else if (given !== undefined || valueAt(document, ['nodes', before, 'kubernetesName']) !== undefined) {
      const place: SpecPath = given === undefined ? ['nodes', index, 'name'] : path;
      issues.push(
        error(place, `found ${show(name)}, already the Kubernetes name of nodes[${before}]; allowed: each once`),
      );
    }
  }
  return issues;
}

function namesWithoutCluster(document: unknown): SpecIssue[] {
  return [...nodesOf(document).keys()]
    .map((index): SpecPath => ['nodes', index, 'kubernetesName'])
    .filter((path) => valueAt(document, path) !== undefined)
    .map((path) => ({
      severity: 'warning',
      path,
      at: 'key',
      message:
        'has no effect without a section `kubernetes`, which configures access to the cluster; add that section, or remove this field',
    }));
}

function nodesOf(document: unknown): unknown[] {
  const nodes = valueAt(document, ['nodes']);
  return Array.isArray(nodes) ? nodes : [];
}

function error(path: SpecPath, message: string): SpecIssue {
  return { severity: 'error', path, at: 'value', message };
}
