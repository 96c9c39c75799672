/** Nodes and workloads of the test control plane. Each call shows the relevant fields and leaves the rest to defaults. */
import type { V1Node, V1Pod, V1PodDisruptionBudget, V1PodSpec } from '@kubernetes/client-node';

import type { ControlPlane } from '../../tools/kube/control-plane';
import type { KubeObject } from '../../tools/kube/kube-api';
import { COMPLETES_AFTER, NEVER_READY, NODE_DOWN, STAYS_PENDING, TERMINATES_IN } from '../../tools/kube/stages';
import { waitFor } from './wait-for';
import { defined } from '../../src/domain/shared/defined';

export { COMPLETES_AFTER, NEVER_READY, STAYS_PENDING, TERMINATES_IN };

type Labels = Record<string, string>;

export interface PodOptions {
  namespace?: string;
  labels?: Labels;
  /** Annotations of `tools/kube/stages.ts`, which define the behaviour of the pod. */
  annotations?: Record<string, string>;
  /** Bound to the node without the scheduler. */
  node?: string;
  /** With an emptyDir volume. */
  emptyDir?: boolean;
  spec?: Partial<V1PodSpec>;
}

export interface WorkloadOptions extends PodOptions {
  replicas?: number;
}

const IMAGE = 'pause';

/** After two outages of the API server controllers retry after a minute. */
const CONTROLLER_MS = 120_000;

/** Written by the TTL controller of kube-controller-manager on every node, some time after its creation. */
const TTL_ANNOTATION = 'node.alpha.kubernetes.io/ttl';

/** Adds a node and waits until the node is ready and schedulable, and controllers have finished writing. */
export async function addNode(
  plane: ControlPlane,
  name: string,
  options: { machineId?: string; bootId?: string; labels?: Labels } = {},
): Promise<void> {
  await plane.api.create({
    kind: 'Node',
    metadata: { name, labels: { 'kubernetes.io/hostname': name, ...options.labels } },
  });
  const nodeInfo = {
    ...{ architecture: 'amd64', operatingSystem: 'linux', osImage: 'Debian GNU/Linux 12', systemUUID: name },
    ...{ kernelVersion: '6.1.0', kubeletVersion: 'v1.34.4', kubeProxyVersion: '', containerRuntimeVersion: 'fake://1' },
    ...{ machineID: options.machineId ?? `machine-of-${name}`, bootID: options.bootId ?? `first-boot-of-${name}` },
  };
  const room = { cpu: '1000', memory: '1Ti', pods: '1000' };
  const addresses = [{ type: 'Hostname', address: name }];
  await patchNodeStatus(plane, name, { nodeInfo, capacity: room, allocatable: room, addresses });
  await waitForNode(
    plane,
    name,
    ({ metadata, spec, status }) =>
      isReady(status?.conditions) &&
      (spec?.taints ?? []).length === 0 &&
      metadata?.annotations?.[TTL_ANNOTATION] !== undefined,
  );
}

/**
 * Waits until the scheduler knows that the nodes of `pool` take no pods: a cordon reaches the scheduler with a delay.
 * For pools with all nodes cordoned.
 */
export async function waitForCordon(plane: ControlPlane, namespace: string, pool: string): Promise<void> {
  const name = 'probe';
  const spec = podSpec({ spec: { nodeSelector: { pool } } });
  await waitFor(
    async () => {
      await plane.api.create({ kind: 'Pod', metadata: { name, namespace }, spec });
      const probe = await waitForPod(plane, namespace, name, ({ status }) =>
        (status?.conditions ?? []).some(({ type }) => type === 'PodScheduled'),
      );
      await plane.api.delete({ kind: 'Pod', namespace, name }, 0);
      await waitFor(async () => (await plane.api.find({ kind: 'Pod', namespace, name })) === undefined, {
        what: 'the end of the probe',
      });
      return probe.spec?.nodeName === undefined;
    },
    { what: `the scheduler to know that ${pool} is cordoned`, timeoutMs: CONTROLLER_MS },
  );
}

/** Stops the kubelet of the node: not ready until {@link bootNode}. */
export async function stopNode(plane: ControlPlane, name: string): Promise<void> {
  await plane.api.patch({ kind: 'Node', name }, { metadata: { annotations: { [NODE_DOWN]: 'true' } } });
  const now = new Date().toISOString();
  const condition = { type: 'Ready', status: 'False', reason: 'KubeletNotReady', message: '', lastTransitionTime: now };
  await patchNodeStatus(plane, name, { conditions: [condition] });
}

/** Boots the node with another boot id. */
export async function bootNode(plane: ControlPlane, name: string, bootId: string): Promise<void> {
  await patchNodeStatus(plane, name, { nodeInfo: { bootID: bootId } });
  await plane.api.patch({ kind: 'Node', name }, { metadata: { annotations: { [NODE_DOWN]: null } } });
}

export function patchNodeStatus(plane: ControlPlane, name: string, status: unknown): Promise<unknown> {
  return plane.api.patch({ kind: 'Node', name }, { status }, 'status');
}

export async function waitForNode(plane: ControlPlane, name: string, is: (node: V1Node) => boolean): Promise<V1Node> {
  return waitFor(
    async () => {
      const node = await plane.api.get<V1Node>({ kind: 'Node', name });
      return is(node) && node;
    },
    { what: `the awaited state of node ${name}`, timeoutMs: CONTROLLER_MS },
  );
}

/** Creates a namespace. */
export async function addNamespace(plane: ControlPlane, name: string): Promise<void> {
  await plane.api.create({ kind: 'Namespace', metadata: { name } });
}

/** An unmanaged pod. Returns when the pod runs. */
export async function addPod(plane: ControlPlane, name: string, options: PodOptions = {}): Promise<V1Pod> {
  const { namespace = 'default' } = options;
  await plane.api.create({ kind: 'Pod', metadata: { name, namespace, ...marks(options) }, spec: podSpec(options) });
  return waitForPod(plane, namespace, name, (pod) => pod.status?.phase !== 'Pending');
}

/** A Deployment, whose pods have the label `app: <name>`. Returns when all are ready. */
export function addDeployment(plane: ControlPlane, name: string, options: WorkloadOptions = {}): Promise<V1Pod[]> {
  return addWorkload(plane, 'Deployment', name, options, { replicas: options.replicas ?? 1 });
}

export function addStatefulSet(plane: ControlPlane, name: string, options: WorkloadOptions = {}): Promise<V1Pod[]> {
  const spec = { replicas: options.replicas ?? 1, serviceName: name, podManagementPolicy: 'Parallel' };
  return addWorkload(plane, 'StatefulSet', name, options, spec);
}

/** A DaemonSet; returns when every eligible node has a pod. */
export function addDaemonSet(plane: ControlPlane, name: string, options: PodOptions = {}): Promise<V1Pod[]> {
  return addWorkload(plane, 'DaemonSet', name, options, {});
}

/** A Job whose pod runs until {@link COMPLETES_AFTER}. */
export async function addJob(plane: ControlPlane, name: string, options: WorkloadOptions = {}): Promise<V1Pod[]> {
  const { namespace = 'default', replicas = 1 } = options;
  const labels = { app: name, ...options.labels };
  const whole = { ...options, labels, spec: { restartPolicy: 'Never', ...options.spec } };
  const template = { metadata: marks(whole), spec: podSpec(whole) };
  const spec = { completions: replicas, parallelism: replicas, template };
  await plane.api.create({ kind: 'Job', metadata: { name, namespace }, spec } as KubeObject);
  return waitForPods(
    plane,
    namespace,
    name,
    (pods) => pods.filter((pod) => pod.status?.phase !== 'Pending').length === replicas,
  );
}

/** A budget over the pods with `app: <app>`. */
export async function addBudget(
  plane: ControlPlane,
  name: string,
  app: string,
  limit: { minAvailable?: number | string; maxUnavailable?: number | string },
  namespace = 'default',
): Promise<void> {
  const spec = { selector: { matchLabels: { app } }, ...limit };
  await plane.api.create({ kind: 'PodDisruptionBudget', metadata: { name, namespace }, spec } as KubeObject);
  await waitFor(
    async () => {
      const { status } = await plane.api.get<V1PodDisruptionBudget>({ kind: 'PodDisruptionBudget', name, namespace });
      if (status?.observedGeneration !== 1) return false;
      return status.currentHealthy === (await countHealthy(plane, namespace, `app=${app}`));
    },
    { what: `the controller to have counted the pods of budget ${name}` },
  );
}

/** The number of pods that a budget with this selector counts as healthy. */
export async function countHealthy(plane: ControlPlane, namespace: string, selector: string): Promise<number> {
  const query = `labelSelector=${encodeURIComponent(selector)}`;
  const pods = await plane.api.list<V1Pod>({ kind: 'Pod', namespace }, query);
  return pods.filter(isHealthy).length;
}

/** Whether a budget counts the pod as healthy. */
export function isHealthy({ metadata, status }: V1Pod): boolean {
  return metadata?.deletionTimestamp === undefined && isReady(status?.conditions);
}

/** The mirror of a static pod, as created by a kubelet. With `component`, one of the control plane, e.g. `etcd`. */
export async function addMirrorPod(
  plane: ControlPlane,
  name: string,
  node: string,
  component?: string,
): Promise<V1Pod> {
  const owner = await plane.api.get<V1Node>({ kind: 'Node', name: node });
  const fromFile = { 'kubernetes.io/config.mirror': 'f00', 'kubernetes.io/config.hash': 'f00' };
  await plane.api.create({
    kind: 'Pod',
    metadata: {
      name: `${name}-${node}`,
      namespace: 'kube-system',
      annotations: { ...fromFile, 'kubernetes.io/config.source': 'file' },
      labels: defined({ component, tier: component === undefined ? undefined : 'control-plane' }),
      ownerReferences: [
        { apiVersion: 'v1', kind: 'Node', name: node, uid: owner.metadata?.uid ?? '', controller: true },
      ],
    },
    spec: podSpec({ node, spec: { tolerations: [{ operator: 'Exists' }], hostNetwork: true } }),
  } as KubeObject);
  return waitForPod(plane, 'kube-system', `${name}-${node}`, (pod) => isReady(pod.status?.conditions));
}

/** Sets the readiness of a running pod, which no kubelet reverts. */
export async function setPodReady(plane: ControlPlane, namespace: string, name: string, ready: boolean): Promise<void> {
  const condition = { type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: new Date().toISOString() };
  await plane.api.patch({ kind: 'Pod', namespace, name }, { status: { conditions: [condition] } }, 'status');
}

/** Names of the pods on a node, without those of `kube-system`, sorted. */
export async function podsOn(plane: ControlPlane, node: string): Promise<string[]> {
  const pods = await plane.api.list<V1Pod>({ kind: 'Pod' }, `fieldSelector=spec.nodeName%3D${node}`);
  return pods
    .filter((pod) => pod.metadata?.namespace !== 'kube-system')
    .map((pod) => pod.metadata?.name ?? '')
    .sort();
}

export function isReady(conditions: { type: string; status: string }[] | undefined): boolean {
  return (conditions ?? []).some(({ type, status }) => type === 'Ready' && status === 'True');
}

export async function waitForPod(
  plane: ControlPlane,
  namespace: string,
  name: string,
  is: (pod: V1Pod) => boolean,
): Promise<V1Pod> {
  return waitFor(
    async () => {
      const pod = await plane.api.find<V1Pod>({ kind: 'Pod', namespace, name });
      return pod !== undefined && is(pod) && pod;
    },
    { what: `the awaited state of pod ${namespace}/${name}`, timeoutMs: CONTROLLER_MS },
  );
}

/** Pods with `app: <app>`, as soon as `are` holds for them. */
export async function waitForPods(
  plane: ControlPlane,
  namespace: string,
  app: string,
  are: (pods: V1Pod[]) => boolean,
): Promise<V1Pod[]> {
  return waitFor(
    async () => {
      const pods = await plane.api.list<V1Pod>({ kind: 'Pod', namespace }, `labelSelector=app%3D${app}`);
      return are(pods) && pods;
    },
    { what: `the awaited state of the pods of ${namespace}/${app}`, timeoutMs: CONTROLLER_MS },
  );
}

async function addWorkload(
  plane: ControlPlane,
  kind: string,
  name: string,
  options: WorkloadOptions,
  own: Record<string, unknown>,
): Promise<V1Pod[]> {
  const { namespace = 'default' } = options;
  const whole = { ...options, labels: { app: name, ...options.labels } };
  const template = { metadata: marks(whole), spec: podSpec(whole) };
  const spec = { selector: { matchLabels: { app: name } }, template, ...own };
  await plane.api.create({ kind, metadata: { name, namespace }, spec } as KubeObject);
  const ready = options.annotations?.[NEVER_READY] === undefined;
  const wanted = async () => {
    const { status } = await plane.api.get<{ status?: Record<string, number> }>({ kind, namespace, name });
    return kind === 'DaemonSet' ? status?.['desiredNumberScheduled'] : (options.replicas ?? 1);
  };
  return waitFor(
    async () => {
      const count = await wanted();
      const pods = await plane.api.list<V1Pod>({ kind: 'Pod', namespace }, `labelSelector=app%3D${name}`);
      const there = pods.filter((pod) => (ready ? isReady(pod.status?.conditions) : pod.status?.phase === 'Running'));
      return count !== undefined && count > 0 && there.length === count && there;
    },
    { what: `the pods of ${kind} ${namespace}/${name}`, timeoutMs: CONTROLLER_MS },
  );
}

function marks({ labels, annotations }: PodOptions) {
  return { ...defined({ labels, annotations }) };
}

function podSpec({ node, emptyDir, spec }: PodOptions): V1PodSpec {
  return {
    containers: [{ name: 'main', image: IMAGE }],
    terminationGracePeriodSeconds: 30,
    ...defined({ nodeName: node, volumes: emptyDir === true ? [{ name: 'scratch', emptyDir: {} }] : undefined }),
    ...spec,
  };
}
