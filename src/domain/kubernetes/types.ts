/** Kubernetes types: the `kubernetes` section with defaults filled in, and the drain of a node. */

import type { NodeWarning } from '../node/warning';

/** `kubernetes.kubeconfig` of a worker that runs inside the cluster. */
export const IN_CLUSTER = 'in-cluster';

/** No path and no hidden file: a spec must not be able to select other files on the worker. */
export const KUBECONFIG_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,127}$/;

export const ON_DRAIN_TIMEOUT = ['fail', 'skip-node', 'proceed'] as const;
export type OnDrainTimeout = (typeof ON_DRAIN_TIMEOUT)[number];

/** `skip`: not evicted. `wait-completed`: not evicted; the drain waits until the pod has ended. */
export const DRAIN_RULE_ACTIONS = ['evict', 'skip', 'wait-completed'] as const;
export type DrainRuleAction = (typeof DRAIN_RULE_ACTIONS)[number];

/** Access of a worker to the API server. Names a secret, never holds one. */
export interface KubernetesAccess {
  /** Bare name of a file in the worker's kubeconfig directory, or `in-cluster`. */
  kubeconfig: string;
  /** Context of the kubeconfig; absent: its current context. */
  context?: string;
}

/** Exceptions for selected pods. The first rule whose selectors match a pod applies. */
export interface DrainRule {
  /** Label selector in kubectl syntax, applied to pod labels. */
  podSelector: string;
  /** Absent: every namespace. */
  namespace?: string;
  action: DrainRuleAction;
  /** Pods with a lower number are evicted first and must be gone before the next number starts. Without a rule: 0. */
  order: number;
}

/** The options of `kubectl drain`, with the same names and meanings; durations carry a unit. */
export interface DrainPolicy {
  ignoreDaemonsets: boolean;
  deleteEmptydirData: boolean;
  force: boolean;
  /** Absent: the grace period of each pod (kubectl's -1). */
  gracePeriod?: string;
  /** Limit for the whole drain of one node. */
  timeout: string;
  /** Only matching pods are evicted; absent: all. */
  podSelector?: string;
  disableEviction: boolean;
  /** Pods terminating for longer than this are not waited for; absent: no limit (kubectl's 0). */
  skipWaitForDeleteTimeout?: string;
  /** What happens to the node when `timeout` is exceeded. */
  onDrainTimeout: OnDrainTimeout;
  rules: DrainRule[];
}

/** Conditions after the patch, before the next node starts. */
export interface KubernetesHealthPolicy {
  /** Limit for the node to become Ready with its DaemonSet pods. */
  readyTimeout: string;
  /** Limit for the evicted workloads to become available again; absent: no wait. */
  workloadsTimeout?: string;
}

export interface KubernetesPolicy extends KubernetesAccess {
  /** Namespaces in which reboot owners are believed. Absent: the default. */
  trustedNamespaces?: string[];
  drain: DrainPolicy;
  health: KubernetesHealthPolicy;
}

export const DEFAULT_DRAIN: DrainPolicy = {
  ignoreDaemonsets: true,
  deleteEmptydirData: false,
  force: false,
  timeout: '10m',
  disableEviction: false,
  onDrainTimeout: 'fail',
  rules: [],
};

export const DEFAULT_KUBERNETES_HEALTH: KubernetesHealthPolicy = { readyTimeout: '10m' };

/** Annotation of a node cordoned by ospatch; the value is a {@link cordonOwner}. */
export const CORDON_ANNOTATION = 'ospatch/cordoned-by';

/** Field manager of every change by ospatch, which distinguishes its cordon from others. */
export const FIELD_MANAGER = 'ospatch';

/** The owner of a cordon as annotation value. Names cannot contain a slash. */
export function cordonOwner(owner: CordonOwner): string {
  return `${owner.cluster}/${owner.node}/${owner.run}/${owner.token}`;
}

export interface CordonOwner {
  cluster: string;
  /** Name of the node in ospatch. */
  node: string;
  run: number;
  token: string;
}

/** Null when the value has another format, whoever wrote it. */
export function parseCordonOwner(value: string): CordonOwner | null {
  const [cluster = '', node = '', run = '', token = '', ...rest] = value.split('/');
  if (rest.length > 0 || cluster === '' || node === '' || !/^[1-9][0-9]{0,9}$/.test(run)) return null;
  return /^[0-9a-f]{16}$/.test(token) ? { cluster, node, run: Number(run), token } : null;
}

/** A pod as named in messages. */
export interface PodName {
  namespace: string;
  name: string;
}

/** A pod that a drain waits for, and the reason. */
export interface BlockedPod extends PodName {
  /** One clause: `the budget web of namespace shop allows no disruption (2 of 2 needed are healthy)`. */
  why: string;
  /** ISO 8601. */
  since: string;
}

/** A controller with available replicas. */
export interface WorkloadName {
  namespace: string;
  /** Deployment, StatefulSet, ReplicaSet, ReplicationController. */
  kind: string;
  name: string;
}

/** A controller whose pods were evicted. */
export interface EvictedWorkload extends WorkloadName {
  /** Available pods before the drain; at most as many are waited for. Absent: unknown, so all desired replicas are. */
  availableBefore?: number;
}

/** The state of a node before its drain, for comparison afterwards. */
export interface KubernetesBaseline {
  ready: boolean;
  /** Pressure conditions that were already true, e.g. `DiskPressure`. */
  pressure: string[];
  /** DaemonSet pods of the node that were already not ready, as `namespace/daemonset`. */
  daemonsetsNotReady: string[];
}

/** `stays`: it is not evicted and comes back with its node. `moves`: it is evicted, and another worker goes on. */
export type OwnWorkerFate = 'stays' | 'moves';

/** The pod of the worker that looked, on the node that it looked at. */
export interface OwnWorker extends PodName {
  fate: OwnWorkerFate;
  /** What whoever starts a run should know beforehand; null: nothing. */
  warning: NodeWarning | null;
}

/** What a drain of a node would do now; computed without changes. */
export interface DrainPreview {
  nodeName: string;
  /** Who has cordoned the node: nobody, ospatch for this node (stale or in progress), or others. */
  cordonedBy: 'nobody' | 'ospatch' | 'others';
  /** The owner in the annotation when the cordon belongs to ospatch. */
  owner: CordonOwner | null;
  /** Number of pods that would be evicted (or deleted), of which at most 100 are named. */
  evict: number;
  pods: PodName[];
  /** Controllers of these pods, at most 50; only before a drain, when the machine was identified too. */
  workloads?: EvictedWorkload[];
  /** Pods that are not evicted, counted by reason, e.g. `managed by a DaemonSet`. */
  ignored: Record<string, number>;
  /** One sentence each: why the drain would be refused or could never complete. */
  blockers: string[];
  /** One sentence each: what the drain would wait for now. */
  pending: string[];
  /** Other reboot owners that do not refuse the node, and why. Absent: none. */
  otherOwners?: NodeWarning[];
  /** The Kubernetes version of the node has reached its end of life. */
  ended?: NodeWarning;
  /** The worker that looked runs on this node. Absent: another one, or it is no pod. */
  worker?: OwnWorker;
}

/** The result of draining a node. */
export interface DrainReport {
  /** `timed-out`: some pods are left; the policy decides how to continue. */
  state: 'drained' | 'timed-out';
  evicted: number;
  /** At most 50. */
  workloads: EvictedWorkload[];
  /** Pods left at the end, at most 20. */
  blocked: BlockedPod[];
}

/** One node of one cluster, with its names in ospatch and Kubernetes. */
export interface KubeNode {
  cluster: string;
  /** Name of the node in ospatch, used in messages. */
  node: string;
  /** Name of the node in Kubernetes. */
  nodeName: string;
}

/** The identity that the machine reports over SSH; a Node object with another identity is another machine. */
export interface MachineIdentity {
  machineId: string;
  bootId: string;
}
