/** How the nodes of a Kubernetes cluster are drained: the part of the spec, with its defaults filled in. */

import type { NodeWarning } from '../node/warning';

/** `kubernetes.kubeconfig` of a worker that runs inside the cluster. */
export const IN_CLUSTER = 'in-cluster';

/** No path, no hidden file: a spec must not be able to have anything else read on the worker. */
export const KUBECONFIG_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,127}$/;

export const ON_DRAIN_TIMEOUT = ['fail', 'skip-node', 'proceed'] as const;
export type OnDrainTimeout = (typeof ON_DRAIN_TIMEOUT)[number];

/** `skip`: left where it is. `wait-completed`: not evicted, but waited for until it has ended. */
export const DRAIN_RULE_ACTIONS = ['evict', 'skip', 'wait-completed'] as const;
export type DrainRuleAction = (typeof DRAIN_RULE_ACTIONS)[number];

/** How a worker reaches the API server. Names a secret, never holds one. */
export interface KubernetesAccess {
  /** Bare name of a file in the worker's kubeconfig directory, or `in-cluster`. */
  kubeconfig: string;
  /** Context of the kubeconfig; absent: its current context. */
  context?: string;
}

/** For pods that are not treated like the others. The first rule whose selectors match a pod counts. */
export interface DrainRule {
  /** Label selector, as kubectl takes it; it selects pods by their labels. */
  podSelector: string;
  /** Absent: every namespace. */
  namespace?: string;
  action: DrainRuleAction;
  /** Pods of a lower number leave first, and have left before the next number begins. Pods without a rule have 0. */
  order: number;
}

/** The options of `kubectl drain`, with its names and meanings; durations carry a unit. */
export interface DrainPolicy {
  ignoreDaemonsets: boolean;
  deleteEmptydirData: boolean;
  force: boolean;
  /** Absent: each pod's own (kubectl's -1). */
  gracePeriod?: string;
  /** The whole drain of one node. */
  timeout: string;
  /** Only pods that match are evicted; absent: all. */
  podSelector?: string;
  disableEviction: boolean;
  /** Pods that have been terminating for longer are not waited for; absent: all are (kubectl's 0). */
  skipWaitForDeleteTimeout?: string;
  /** What happens to the node when `timeout` has passed. */
  onDrainTimeout: OnDrainTimeout;
  rules: DrainRule[];
}

/** What must be true again after the work, before the next node begins. */
export interface KubernetesHealthPolicy {
  /** How long the node may take to be Ready with its DaemonSet pods. */
  readyTimeout: string;
  /** How long the evicted workloads may take to be available again; absent: that is not waited for. */
  workloadsTimeout?: string;
}

export interface KubernetesPolicy extends KubernetesAccess {
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

/** Annotation of a node that ospatch has cordoned; its value is that of {@link cordonOwner}. */
export const CORDON_ANNOTATION = 'ospatch/cordoned-by';

/** Field manager of every change ospatch makes, by which it tells its own cordon from that of others. */
export const FIELD_MANAGER = 'ospatch';

/** Whose cordon it is. Names cannot hold a slash. */
export function cordonOwner(owner: CordonOwner): string {
  return `${owner.cluster}/${owner.node}/${owner.run}/${owner.token}`;
}

export interface CordonOwner {
  cluster: string;
  /** The node's name in ospatch. */
  node: string;
  run: number;
  token: string;
}

/** Null when the value is not ours, whoever wrote it. */
export function parseCordonOwner(value: string): CordonOwner | null {
  const [cluster = '', node = '', run = '', token = '', ...rest] = value.split('/');
  if (rest.length > 0 || cluster === '' || node === '' || !/^[1-9][0-9]{0,9}$/.test(run)) return null;
  return /^[0-9a-f]{16}$/.test(token) ? { cluster, node, run: Number(run), token } : null;
}

/** A pod as messages name it. */
export interface PodName {
  namespace: string;
  name: string;
}

/** A pod that a drain waits for, and what for. */
export interface BlockedPod extends PodName {
  /** One clause: `the budget web of namespace shop allows no disruption (2 of 2 needed are healthy)`. */
  why: string;
  /** ISO 8601. */
  since: string;
}

/** A controller that keeps pods available. */
export interface WorkloadName {
  namespace: string;
  /** Deployment, StatefulSet, ReplicaSet, ReplicationController. */
  kind: string;
  name: string;
}

/** A controller whose pods were evicted. */
export interface EvictedWorkload extends WorkloadName {
  /** Pods that were available before the drain: no more are waited for. Absent: not known, all it wants are. */
  availableBefore?: number;
}

/** What a node looked like before it was drained, to compare with afterwards. */
export interface KubernetesBaseline {
  ready: boolean;
  /** Node conditions of pressure that were true already, e.g. `DiskPressure`. */
  pressure: string[];
  /** DaemonSet pods of the node that were not ready already, as `namespace/daemonset`. */
  daemonsetsNotReady: string[];
}

/** What a drain of a node would meet now; nothing was changed to find it out. */
export interface DrainPreview {
  nodeName: string;
  /** Who has the node cordoned: nobody, ospatch for this node (left over, or in work), or somebody else. */
  cordonedBy: 'nobody' | 'ospatch' | 'others';
  /** The owner written on the node when it is ospatch. */
  owner: CordonOwner | null;
  /** Pods that would be evicted (or deleted), of which at most 100 are named. */
  evict: number;
  pods: PodName[];
  /** Controllers of these pods, at most 50; only when the machine was asked too, that is, before a drain. */
  workloads?: EvictedWorkload[];
  /** Pods that stay, counted by reason, e.g. `managed by a DaemonSet`. */
  ignored: Record<string, number>;
  /** Each a sentence: why the drain would be refused or could never end, whatever is waited for. */
  blockers: string[];
  /** Each a sentence: what it would wait for as things are now. */
  pending: string[];
  /** The Kubernetes version of the node has ended. */
  ended?: NodeWarning;
}

/** What was done to the pods of a node. */
export interface DrainReport {
  /** `timed-out`: some pods are left; the policy decides what that means. */
  state: 'drained' | 'timed-out';
  evicted: number;
  /** At most 50. */
  workloads: EvictedWorkload[];
  /** Pods that were still there in the end, at most 20. */
  blocked: BlockedPod[];
}

/** One node of one cluster, by both its names. */
export interface KubeNode {
  cluster: string;
  /** The node's name in ospatch; messages name it. */
  node: string;
  /** Its name in Kubernetes. */
  nodeName: string;
}

/** What the machine at the other end of SSH says it is; a Node object that says otherwise is another machine. */
export interface MachineIdentity {
  machineId: string;
  bootId: string;
}
