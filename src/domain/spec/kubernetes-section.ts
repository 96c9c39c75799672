/** The part of a spec document about Kubernetes, with its text, and what it becomes with its defaults filled in. */
import { z } from 'zod';
import {
  DEFAULT_DRAIN,
  DEFAULT_KUBERNETES_HEALTH,
  DRAIN_RULE_ACTIONS,
  IN_CLUSTER,
  ON_DRAIN_TIMEOUT,
} from '../kubernetes/types';
import type { DrainRule, KubernetesPolicy } from '../kubernetes/types';
import * as field from './fields';
import type { SpecIssue, SpecPath } from './issues';
import { show, valueAt } from './issues';
import { defined } from '../shared/defined';

/** More rules than this are a mistake. */
const MAX_RULES = 50;
const MAX_ORDER = 1_000;

const rulesError = `a list of at most ${MAX_RULES} rules`;

const rule = z.strictObject(
  {
    podSelector: field.labelSelector.describe('Label selector as in kubectl -l; the pods this rule is about.'),
    namespace: field.namespace.optional().describe('Only pods of this namespace. Default: of every namespace.'),
    action: field
      .choice(DRAIN_RULE_ACTIONS)
      .default('evict')
      .describe(
        'evict: as any other pod. skip: left where it is. wait-completed: not evicted, but waited for until it has ended.',
      ),
    order: field
      .wholeNumber(-MAX_ORDER, MAX_ORDER)
      .default(0)
      .describe(
        'Pods of a lower number leave first, and have left before the next number begins; pods without a rule have 0.',
      ),
  },
  { error: 'a mapping with podSelector, namespace, action and order' },
);

const drainFields = {
  ignoreDaemonsets: field
    .flag()
    .default(DEFAULT_DRAIN.ignoreDaemonsets)
    .describe(
      'true: pods of DaemonSets stay, since they would be back at once. false: a node that has some is refused.',
    ),
  deleteEmptydirData: field
    .flag()
    .default(DEFAULT_DRAIN.deleteEmptydirData)
    .describe(
      'true: evict pods with emptyDir volumes too, whose data is lost. false: a node that has some is refused.',
    ),
  force: field
    .flag()
    .default(DEFAULT_DRAIN.force)
    .describe(
      'true: evict pods too that no controller starts again elsewhere. false: a node that has some is refused.',
    ),
  gracePeriod: field
    .duration('0s', '1d', 'leave it out for what each pod says itself (-1 of kubectl)')
    .optional()
    .describe('How long a pod may take to end. 0s: it is killed at once. Default: what each pod says itself.'),
  timeout: field
    .duration('10s', '7d')
    .default(DEFAULT_DRAIN.timeout)
    .describe('How long the drain of one node may take; then onDrainTimeout decides.'),
  podSelector: field.labelSelector
    .optional()
    .describe('Label selector as in kubectl -l: only these pods are evicted. Default: all.'),
  disableEviction: field
    .flag()
    .default(DEFAULT_DRAIN.disableEviction)
    .describe('true: delete pods instead of evicting them, which ignores PodDisruptionBudgets.'),
  skipWaitForDeleteTimeout: field
    .duration('1s', '1d', 'leave it out to wait for all of them (0 of kubectl)')
    .optional()
    .describe('Pods that have been terminating for longer than this are not waited for. Default: all are.'),
  onDrainTimeout: field
    .choice(ON_DRAIN_TIMEOUT)
    .default(DEFAULT_DRAIN.onDrainTimeout)
    .describe(
      'fail: the node is uncordoned and has failed. skip-node: it is uncordoned and skipped, the run goes on. proceed: it is patched although pods are left.',
    ),
  rules: z
    .array(rule, { error: rulesError })
    .max(MAX_RULES, {
      error: ({ input }) => `found ${(input as unknown[]).length} rules; allowed: ${rulesError}`,
    })
    .default([])
    .describe('Pods that are treated unlike the others; the first rule that matches a pod counts.'),
};

const drain = z.strictObject(drainFields, { error: `a mapping with ${Object.keys(drainFields).join(', ')}` });

const health = z.strictObject(
  {
    readyTimeout: field
      .duration('10s', '1d')
      .default(DEFAULT_KUBERNETES_HEALTH.readyTimeout)
      .describe('How long the node may take, after the work, to be Ready with its DaemonSet pods; then it has failed.'),
    workloadsTimeout: field
      .duration('10s', '1d')
      .optional()
      .describe(
        'How long the evicted workloads may take to have as many pods available as before, before the next node begins; then the node has failed. Default: that is not waited for.',
      ),
  },
  { error: 'a mapping with readyTimeout and workloadsTimeout' },
);

export const kubernetesSchema = z.strictObject(
  {
    kubeconfig: field.kubeconfig.describe(
      "Name of a kubeconfig in the worker's directory (OSPATCH_KUBECONFIG_DIR, default ~/.kube), never a path; or in-cluster for a worker that runs as a pod of this cluster.",
    ),
    context: field.kubeContext.optional().describe('Context of the kubeconfig. Default: its current context.'),
    drain: drain.prefault({}).describe('How a node is drained before it is patched: the options of kubectl drain.'),
    health: health.prefault({}).describe('What must be true again after the work, before the next node begins.'),
  },
  { error: 'a mapping with kubeconfig, context, drain and health' },
);

type KubernetesDocument = z.output<typeof kubernetesSchema>;

export function normaliseKubernetes({
  kubeconfig,
  context,
  drain: given,
  health: wanted,
}: KubernetesDocument): KubernetesPolicy {
  const { gracePeriod, podSelector, skipWaitForDeleteTimeout, rules, ...options } = given;
  const { readyTimeout, workloadsTimeout } = wanted;
  return {
    kubeconfig,
    ...defined({ context }),
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

/** Rules that join `kubernetes` with other fields of the document as it was written. */
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

/** Two machines behind one name in Kubernetes would have each other's workloads moved. */
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
        'has no effect without a section `kubernetes`, which says how the cluster is reached; add that, or remove it',
    }));
}

function nodesOf(document: unknown): unknown[] {
  const nodes = valueAt(document, ['nodes']);
  return Array.isArray(nodes) ? nodes : [];
}

function error(path: SpecPath, message: string): SpecIssue {
  return { severity: 'error', path, at: 'value', message };
}
