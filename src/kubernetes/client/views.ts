/** Converts API objects to the views used here. Absent fields get their zero value. */
import type {
  V1DaemonSet,
  V1Deployment,
  V1Node,
  V1ObjectMeta,
  V1OwnerReference,
  V1Pod,
  V1PodDisruptionBudget,
  V1PodSpec,
} from '@kubernetes/client-node';
import type { BudgetView } from '../../domain/kubernetes/disruption-budgets';
import type { ControllerRef, PodView } from '../../domain/kubernetes/pod-filter';
import { plainText } from '../../domain/shared/text';
import type { ControllerView, NodeView } from './api';
import { defined } from '../../domain/shared/defined';

const MIRROR_ANNOTATION = 'kubernetes.io/config.mirror';
/** Of the cluster autoscaler: names of volumes that do not keep a pod on its node. */
const LOSABLE_VOLUMES_ANNOTATION = 'cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes';
const CORDON_TAINT = 'node.kubernetes.io/unschedulable';
const MAX_MESSAGE = 200;

export function toNodeView(node: V1Node): NodeView {
  const { metadata, spec, status } = node;
  const conditions = (status?.conditions ?? []).map(
    ({ type, status: value, message }) =>
      [type, { status: value, message: plainText(message ?? '', MAX_MESSAGE) }] as const,
  );
  return {
    name: metadata?.name ?? '',
    resourceVersion: metadata?.resourceVersion ?? '',
    labels: metadata?.labels ?? {},
    annotations: metadata?.annotations ?? {},
    unschedulable: spec?.unschedulable === true,
    unschedulableBy: managerOf(metadata, ['f:spec', 'f:unschedulable']),
    conditions: Object.fromEntries(conditions),
    machineId: status?.nodeInfo?.machineID ?? '',
    bootId: status?.nodeInfo?.bootID ?? '',
    kubeletVersion: status?.nodeInfo?.kubeletVersion ?? '',
  };
}

/** The field manager that last set a field. */
function managerOf(metadata: V1ObjectMeta | undefined, path: readonly string[]): string | null {
  const entry = (metadata?.managedFields ?? []).findLast(({ fieldsV1 }) => {
    let fields: unknown = fieldsV1;
    for (const key of path) {
      if (typeof fields !== 'object' || fields === null) return false;
      fields = (fields as Record<string, unknown>)[key];
    }
    return fields !== undefined;
  });
  return entry === undefined ? null : (entry.manager ?? '');
}

export function toPodView({ metadata, spec, status }: V1Pod): PodView {
  return {
    namespace: metadata?.namespace ?? '',
    name: metadata?.name ?? '',
    uid: metadata?.uid ?? '',
    labels: metadata?.labels ?? {},
    phase: status?.phase ?? '',
    ready: (status?.conditions ?? []).some(({ type, status: value }) => type === 'Ready' && value === 'True'),
    nodeName: spec?.nodeName ?? '',
    deletionAtMs: metadata?.deletionTimestamp === undefined ? null : new Date(metadata.deletionTimestamp).getTime(),
    controller: controllerOf(metadata),
    isMirror: Object.hasOwn(metadata?.annotations ?? {}, MIRROR_ANNOTATION),
    hasEmptyDir: hasEmptyDir(metadata, spec),
    toleratesCordon: toleratesCordon(spec),
    finalizers: metadata?.finalizers ?? [],
  };
}

/** An emptyDir whose owner has said that it may be lost does not count. */
function hasEmptyDir(metadata: V1ObjectMeta | undefined, spec: V1PodSpec | undefined): boolean {
  const lost = (metadata?.annotations?.[LOSABLE_VOLUMES_ANNOTATION] ?? '').split(',').map((name) => name.trim());
  return (spec?.volumes ?? []).some(
    ({ name, emptyDir }) => emptyDir !== undefined && emptyDir !== null && !lost.includes(name),
  );
}

export function controllerOf(metadata: V1ObjectMeta | undefined): ControllerRef | null {
  const owner: V1OwnerReference | undefined = metadata?.ownerReferences?.find(({ controller }) => controller === true);
  return owner === undefined
    ? null
    : { apiVersion: owner.apiVersion, kind: owner.kind, name: owner.name, uid: owner.uid };
}

function toleratesCordon(spec: V1PodSpec | undefined): boolean {
  return (spec?.tolerations ?? []).some(
    ({ key, operator, effect, value }) =>
      (effect === undefined || effect === '' || effect === 'NoSchedule') &&
      (key === undefined || key === '' ? operator === 'Exists' : key === CORDON_TAINT) &&
      (operator === 'Exists' || value === undefined || value === ''),
  );
}

export function toBudgetView({ metadata, spec, status }: V1PodDisruptionBudget): BudgetView {
  const isObserved = status !== undefined && (status.observedGeneration ?? 0) >= (metadata?.generation ?? 0);
  // A controller that cannot compute a budget never updates its observed generation.
  const broken = (status?.conditions ?? []).find(
    ({ type, status: value, reason }) => type === 'DisruptionAllowed' && value === 'False' && reason === 'SyncFailed',
  );
  const { matchLabels, matchExpressions } = spec?.selector ?? {};
  return {
    namespace: metadata?.namespace ?? '',
    name: metadata?.name ?? '',
    selector:
      spec?.selector === undefined
        ? null
        : {
            ...defined({ matchLabels, matchExpressions }),
          },
    minAvailable: spec?.minAvailable ?? null,
    maxUnavailable: spec?.maxUnavailable ?? null,
    unhealthyAlwaysAllowed: spec?.unhealthyPodEvictionPolicy === 'AlwaysAllow',
    status:
      status !== undefined && (isObserved || broken !== undefined)
        ? {
            disruptionsAllowed: status.disruptionsAllowed,
            currentHealthy: status.currentHealthy,
            desiredHealthy: status.desiredHealthy,
            expectedPods: status.expectedPods,
            failure: broken === undefined ? null : plainText(broken.message, MAX_MESSAGE),
          }
        : null,
  };
}

export function daemonSetView({ metadata, spec, status }: V1DaemonSet): ControllerView {
  const isObserved = (status?.observedGeneration ?? 0) >= (metadata?.generation ?? 0);
  return {
    namespace: metadata?.namespace ?? '',
    name: metadata?.name ?? '',
    images: imagesOf(spec?.template.spec),
    serviceAccount: spec?.template.spec?.serviceAccountName ?? 'default',
    // Before its controller has processed it, it may want a pod on every node.
    wanted: isObserved ? (status?.desiredNumberScheduled ?? 0) : 1,
  };
}

export function deploymentView({ metadata, spec }: V1Deployment): ControllerView {
  return {
    namespace: metadata?.namespace ?? '',
    name: metadata?.name ?? '',
    images: imagesOf(spec?.template.spec),
    serviceAccount: spec?.template.spec?.serviceAccountName ?? 'default',
    wanted: spec?.replicas ?? 1,
  };
}

function imagesOf(spec: V1PodSpec | undefined): string[] {
  return (spec?.containers ?? []).map(({ image }) => image ?? '');
}
