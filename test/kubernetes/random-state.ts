/** Random pods and budgets of one node, as a plan that fits any node of the test control plane. */
import type { V1LabelSelector, V1Pod, V1PodDisruptionBudget } from '@kubernetes/client-node';

import type { ControlPlane } from '../../tools/kube/control-plane';
import type { KubeObject } from '../../tools/kube/kube-api';
import type { Random } from '../support/fuzz';
import { countHealthy, isReady, NEVER_READY, STAYS_PENDING, TERMINATES_IN } from '../support/kube-objects';
import { waitFor } from '../support/wait-for';
import { defined } from '../../src/domain/shared/defined';

/** Owners of pods: controllers of the server, owners that exist only in the pod, or none. */
const MANAGED = ['Deployment', 'ReplicaSet', 'StatefulSet', 'ReplicationController', 'Job', 'DaemonSet'] as const;
const OWNERS = {
  bare: undefined,
  mirror: { apiVersion: 'v1', kind: 'Node', controller: true },
  /** Owners of the kind that operators create. */
  custom: { apiVersion: 'example.com/v1', kind: 'Widget', controller: true },
  /** Listed as owner of the pod, but not as controller. */
  friend: { apiVersion: 'apps/v1', kind: 'ReplicaSet' },
  lostReplicaSet: { apiVersion: 'apps/v1', kind: 'ReplicaSet', controller: true },
  lostDaemonSet: { apiVersion: 'apps/v1', kind: 'DaemonSet', controller: true },
  foreignDaemonSet: { apiVersion: 'apps.example.com/v1', kind: 'DaemonSet', controller: true },
} as const;

/** Others wait for the end of a pod before they create the next. */
const REPLACES_AT_ONCE = new Set<Unit['kind']>(['Deployment', 'ReplicaSet', 'ReplicationController', 'Job']);

type Managed = (typeof MANAGED)[number];
type Alone = keyof typeof OWNERS;

const KINDS = [...MANAGED, ...(Object.keys(OWNERS) as Alone[])];

export interface Unit {
  /** Prefix of the pod names, from which `unitOf` finds the unit. */
  name: string;
  kind: Managed | Alone;
  /** Index of the namespace. */
  space: number;
  replicas: number;
  labels: Record<string, string>;
  volume: 'none' | 'disk' | 'memory' | 'configMap';
  ready: boolean;
  /** Written into the status of the first pod; only where no controller replaces the pod. */
  phase: 'Running' | 'Pending' | 'Succeeded' | 'Failed' | 'Unknown';
  /** The first pod is being deleted: for a long time already, or with hours to go. */
  deleted: 'no' | 'long-ago' | 'just-now';
  finalizer: boolean;
}

interface PlannedBudget {
  name: string;
  space: number;
  spec: object;
}

export interface Plan {
  units: Unit[];
  budgets: PlannedBudget[];
  /** The second namespace is being deleted, with slow pods. */
  isDoomed: boolean;
}

const TIERS = ['front', 'back', 'cache'];
const LIMITS: object[] = [
  ...[0, 1, 2, 3, '0%', '34%', '50%', '100%'].flatMap((limit) => [{ minAvailable: limit }, { maxUnavailable: limit }]),
];
const POLICIES = ['', '', 'IfHealthyBudget', 'AlwaysAllow'];

export function randomPlan(random: Random): Plan {
  const chance = (percent: number) => random.below(100) < percent;
  const isDoomed = chance(10);
  const units = Array.from({ length: 2 + random.below(6) }, (_, index): Unit => {
    const kind = random.pick(KINDS);
    const isAlone = kind in OWNERS;
    const name = `u${index}`;
    const tier: Record<string, string> = defined({ tier: chance(70) ? random.pick(TIERS) : undefined });
    const weight: Record<string, string> = defined({ weight: chance(30) ? String(random.below(10)) : undefined });
    return {
      ...{ name, kind, space: random.below(2), replicas: 1 + random.below(kind === 'DaemonSet' ? 1 : 3) },
      labels: isAlone && chance(25) ? {} : { app: name, ...tier, ...weight },
      volume: random.pick(['none', 'none', 'none', 'disk', 'memory', 'configMap']),
      ready: chance(80),
      phase:
        isAlone && kind !== 'mirror' && chance(60)
          ? random.pick(['Pending', 'Succeeded', 'Failed', 'Unknown'])
          : 'Running',
      deleted: chance(25) && kind !== 'mirror' ? random.pick(['long-ago', 'just-now']) : 'no',
      finalizer: chance(20) && isAlone,
    };
  });
  const budgets = Array.from({ length: random.below(4) }, (_, index): PlannedBudget => {
    const unit = random.pick(units);
    const policy = random.pick(POLICIES);
    const selector = random.pick([
      { matchLabels: { app: unit.name } },
      { matchLabels: { app: unit.name } },
      { matchLabels: { tier: random.pick(TIERS) } },
      { matchExpressions: [{ key: 'tier', operator: 'NotIn', values: [random.pick(TIERS)] }] },
      { matchExpressions: [{ key: 'app', operator: random.pick(['Exists', 'DoesNotExist']) }] },
      {},
    ]);
    const spec = {
      selector,
      ...random.pick(LIMITS),
      ...defined({ unhealthyPodEvictionPolicy: policy === '' ? undefined : policy }),
    };
    return { name: `b${index}`, space: unit.space, spec };
  });
  return { units, budgets, isDoomed };
}

interface MadeUnit extends Unit {
  /** Pods that take an hour to end. */
  isSlow: boolean;
}

interface Place {
  plane: ControlPlane;
  node: string;
  pool: string;
  /** By their index in the plan. */
  spaces: string[];
}

/** Creates everything in the plan and waits until nothing changes any more. */
export async function carryOut({ units, budgets, isDoomed }: Plan, place: Place): Promise<void> {
  const { plane, spaces } = place;
  await Promise.all(units.map((unit) => makeUnit(unit, place, isDoomed && unit.space === 1)));
  await Promise.all(
    budgets.map(async ({ name, space, spec }) =>
      plane.api.create({
        kind: 'PodDisruptionBudget',
        metadata: { name, namespace: spaces[space] ?? '' },
        spec,
      } as KubeObject),
    ),
  );
  if (isDoomed) await terminateNamespace(place);
  let before = '';
  await waitFor(
    async () => {
      const now = await snapshot(place, isDoomed ? place.spaces[1] : undefined);
      const isSettled = now !== null && now === before;
      before = now ?? '';
      return isSettled;
    },
    { what: `the pods and budgets of ${place.node} to settle`, pollMs: 500, timeoutMs: 60_000 },
  );
}

async function terminateNamespace({ plane, spaces: [, namespace = ''] }: Place): Promise<void> {
  await plane.api.delete({ kind: 'Namespace', name: namespace });
  await waitFor(
    async () => {
      const pods = await plane.api.list<V1Pod>({ kind: 'Pod', namespace });
      return pods.every(({ metadata }) => metadata?.deletionTimestamp !== undefined);
    },
    { what: `the pods of ${namespace} to be deleted with it` },
  );
}

/** Null while a controller has work left. */
async function snapshot({ plane, spaces }: Place, doomed: string | undefined): Promise<string | null> {
  const seen: unknown[] = [];
  for (const namespace of spaces) {
    const pods = await plane.api.list<V1Pod>({ kind: 'Pod', namespace });
    if (pods.some(isJustDeleted)) return null;
    for (const { metadata, status } of pods) {
      seen.push([metadata?.name, metadata?.deletionTimestamp, status?.phase, status?.conditions]);
    }
    const budgets = await plane.api.list<V1PodDisruptionBudget>({ kind: 'PodDisruptionBudget', namespace });
    for (const budget of budgets) {
      // In a terminating namespace the controller may not update the numbers.
      if (namespace !== doomed && !(await isCounted(plane, namespace, budget))) return null;
      seen.push([budget.metadata?.name, budget.status]);
    }
  }
  return JSON.stringify(seen);
}

/** Whether `skipWaitForDeleteTimeout: 1s` applies to the pod changes at whole seconds, 2 s after the deadline. */
function isJustDeleted({ metadata }: V1Pod): boolean {
  if (metadata?.deletionTimestamp === undefined) return false;
  const sinceMs = Date.now() - new Date(metadata.deletionTimestamp).getTime();
  return sinceMs > -10_000 && sinceMs < 3_000;
}

/** Whether the controller has processed this budget and the present pods; an uncomputable budget has a condition for that. */
async function isCounted(
  plane: ControlPlane,
  namespace: string,
  { metadata, spec, status }: V1PodDisruptionBudget,
): Promise<boolean> {
  if ((status?.conditions ?? []).some(({ reason }) => reason === 'SyncFailed')) return true;
  if (status?.observedGeneration !== metadata?.generation) return false;
  return status?.currentHealthy === (await countHealthy(plane, namespace, selectorText(spec?.selector)));
}

/** In the syntax of the kubectl flag `--selector`. */
function selectorText({ matchLabels = {}, matchExpressions = [] }: V1LabelSelector = {}): string {
  const labels = Object.entries(matchLabels).map(([key, value]) => `${key}=${value}`);
  const expressions = matchExpressions.map(({ key, operator, values = [] }) => {
    if (operator === 'Exists') return key;
    return operator === 'DoesNotExist' ? `!${key}` : `${key} ${operator.toLowerCase()} (${values.join(',')})`;
  });
  return [...labels, ...expressions].join(',');
}

async function makeUnit(planned: Unit, place: Place, isSlow: boolean): Promise<void> {
  const { plane } = place;
  const unit = { ...planned, isSlow: isSlow || planned.deleted !== 'no' };
  const namespace = place.spaces[unit.space] ?? '';
  const pods = isManaged(unit.kind)
    ? await makeManaged(unit, unit.kind, namespace, place)
    : await makeAlone(unit, unit.kind, namespace, place);
  const [first] = pods;
  if (first === undefined) return;
  if (unit.phase !== 'Running' && unit.phase !== 'Pending') {
    await plane.api.patch({ kind: 'Pod', namespace, name: first }, { status: { phase: unit.phase } }, 'status');
  }
  if (unit.deleted !== 'no') {
    await plane.api.delete({ kind: 'Pod', namespace, name: first }, unit.deleted === 'long-ago' ? 1 : 7_200);
    if (REPLACES_AT_ONCE.has(unit.kind)) await podsOf(unit, namespace, plane, unit.replicas + 1);
  }
}

async function makeManaged(
  unit: MadeUnit,
  kind: Managed,
  namespace: string,
  { plane, pool }: Place,
): Promise<string[]> {
  const { name, replicas, labels } = unit;
  const template = {
    metadata: { labels, annotations: marksOf(unit) },
    spec: { ...podSpec(unit), nodeSelector: { pool } },
  };
  const selector = { matchLabels: { app: name } };
  const spec = {
    Deployment: { replicas, selector, template },
    ReplicaSet: { replicas, selector, template },
    StatefulSet: { replicas, selector, template, serviceName: name, podManagementPolicy: 'Parallel' },
    ReplicationController: { replicas, selector: { app: name }, template },
    Job: {
      completions: replicas,
      parallelism: replicas,
      template: { ...template, spec: { ...template.spec, restartPolicy: 'Never' } },
    },
    DaemonSet: { selector, template },
  }[kind];
  await plane.api.create({ kind, metadata: { name, namespace }, spec } as KubeObject);
  return podsOf(unit, namespace, plane, replicas);
}

/** Names of the pods of a controller, as soon as that many run. */
async function podsOf(
  { kind, name, ready }: Unit,
  namespace: string,
  plane: ControlPlane,
  count: number,
): Promise<string[]> {
  const pods = await waitFor(
    async () => {
      const found = await plane.api.list<V1Pod>({ kind: 'Pod', namespace }, `labelSelector=app%3D${name}`);
      const up = found.filter(({ status }) => status?.phase === 'Running' && (!ready || isReady(status.conditions)));
      return up.length === count && up;
    },
    { what: `the pods of ${kind} ${namespace}/${name}`, timeoutMs: 60_000 },
  );
  return pods.map(({ metadata }) => metadata?.name ?? '').sort();
}

async function makeAlone(unit: MadeUnit, kind: Alone, namespace: string, { plane, node }: Place): Promise<string[]> {
  const owner = OWNERS[kind];
  const names: string[] = [];
  for (let index = 0; index < (kind === 'mirror' ? 1 : unit.replicas); index += 1) {
    const name = kind === 'mirror' ? `${unit.name}-${node}` : `${unit.name}-${index}`;
    const uid = kind === 'mirror' ? await uidOfNode(plane, node) : `${unit.name}-owner`;
    const reference = defined({
      ownerReferences:
        owner === undefined ? undefined : [{ ...owner, name: kind === 'mirror' ? node : unit.name, uid }],
    });
    const annotations = {
      ...marksOf(unit),
      ...(kind === 'mirror' ? MIRROR : {}),
      ...(unit.phase === 'Pending' && index === 0 ? { [STAYS_PENDING]: 'yes' } : {}),
    };
    const finalizers = defined({ finalizers: unit.finalizer ? ['example.com/hold'] : undefined });
    const pod = {
      kind: 'Pod',
      metadata: { name, namespace, labels: unit.labels, annotations, ...reference, ...finalizers },
      spec: { ...podSpec(unit), nodeName: node },
    };
    await plane.api.create<KubeObject>(pod);
    names.push(name);
  }
  await waitFor(
    async () => {
      const found = await Promise.all(names.map((name) => plane.api.get<V1Pod>({ kind: 'Pod', namespace, name })));
      return found.every(
        ({ status, metadata }) =>
          status?.phase === 'Running' || Object.hasOwn(metadata?.annotations ?? {}, STAYS_PENDING),
      );
    },
    { what: `the pods ${namespace}/${names.join(', ')}`, timeoutMs: 60_000 },
  );
  return names;
}

const MIRROR = {
  'kubernetes.io/config.mirror': 'f00',
  'kubernetes.io/config.hash': 'f00',
  'kubernetes.io/config.source': 'file',
};

async function uidOfNode(plane: ControlPlane, name: string): Promise<string> {
  return (await plane.api.get<KubeObject>({ kind: 'Node', name })).metadata?.uid ?? '';
}

function marksOf({ ready, isSlow }: MadeUnit): Record<string, string> {
  return { ...(ready ? {} : { [NEVER_READY]: 'yes' }), ...(isSlow ? { [TERMINATES_IN]: '1h' } : {}) };
}

function podSpec({ volume }: Unit): object {
  const volumes = {
    none: [],
    disk: [{ name: 'scratch', emptyDir: {} }],
    memory: [
      { name: 'settings', configMap: { name: 'settings' } },
      { name: 'scratch', emptyDir: { medium: 'Memory' } },
    ],
    configMap: [{ name: 'settings', configMap: { name: 'settings' } }],
  }[volume];
  return { containers: [{ name: 'main', image: 'pause' }], volumes };
}

function isManaged(kind: Unit['kind']): kind is Managed {
  return !(kind in OWNERS);
}

/** Name of the unit of a pod. */
export function unitOf(podName: string): string {
  return podName.split('-')[0] ?? '';
}
