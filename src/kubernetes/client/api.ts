/** The Kubernetes API calls of ospatch, as an interface. */
import type { ErrorInfo } from '../../domain/shared/errors';
import { OspatchError } from '../../domain/shared/errors';
import type { BudgetView } from '../../domain/kubernetes/disruption-budgets';
import type { WorkloadName } from '../../domain/kubernetes/types';
import type { ControllerRef, PodView } from '../../domain/kubernetes/pod-filter';

/** The used fields of a Node object. */
export interface NodeView {
  name: string;
  resourceVersion: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
  unschedulable: boolean;
  /** Field manager of `spec.unschedulable`; null when the server does not report one. */
  unschedulableBy: string | null;
  /** Status by condition type: `True`, `False`, `Unknown`. */
  conditions: Record<string, NodeCondition>;
  machineId: string;
  bootId: string;
  kubeletVersion: string;
}

export interface NodeCondition {
  status: string;
  /** The kubelet's message. */
  message: string;
}

/** A merge patch of metadata and spec. Rejected as `conflict` when the node has another resource version. */
export interface NodePatch {
  resourceVersion: string;
  /** Null removes an annotation. */
  annotations: Record<string, string | null>;
  /** Absent: unchanged. */
  unschedulable?: boolean;
}

export type PatchAnswer = { state: 'patched'; node: NodeView } | { state: 'conflict' } | { state: 'gone' };

/** The server's answer to an eviction or deletion. */
export type EvictionAnswer =
  | { state: 'accepted' }
  /** The pod is gone, or another pod has its name. */
  | { state: 'gone' }
  /** A budget allows no eviction now. */
  | { state: 'budget'; message: string }
  /** The disruption controller has not processed a changed budget yet. */
  | { state: 'not-observed'; retryAfterMs: number }
  /** The server is overloaded. */
  | { state: 'busy'; retryAfterMs: number }
  | { state: 'two-budgets' }
  | { state: 'namespace-terminating' }
  /** Denied by an admission webhook or a server rule for this pod. */
  | { state: 'denied'; message: string };

export interface EvictionOptions {
  /** Absent: the grace period of the pod. */
  gracePeriodSeconds?: number;
}

/** A Deployment or DaemonSet that may be another reboot owner. */
export interface ControllerView {
  namespace: string;
  name: string;
  images: string[];
  /** Desired number of pods. */
  wanted: number;
  serviceAccount: string;
}

export interface WorkloadState {
  wanted: number;
  /** The controller has processed the current generation. */
  isObserved: boolean;
  available: number;
  /** Labels of its pods. */
  podLabels: Record<string, string>;
}

/**
 * Each call is one request with its own timeout.
 * @throws ApiError
 */
export interface KubernetesApi {
  /** Null: the node does not exist. */
  readNode(name: string): Promise<NodeView | null>;
  listNodes(): Promise<NodeView[]>;
  patchNode(name: string, patch: NodePatch): Promise<PatchAnswer>;
  podsOfNode(nodeName: string): Promise<PodView[]>;
  /** The pods of a namespace that match a label selector. */
  podsByLabel(namespace: string, selector: string): Promise<PodView[]>;
  /** Requests the eviction of this pod (by UID), subject to budgets. */
  evict(pod: PodView, options: EvictionOptions): Promise<EvictionAnswer>;
  /** Deletes this pod (by UID), ignoring budgets. */
  delete(pod: PodView, options: EvictionOptions): Promise<EvictionAnswer>;
  /** Names of failing readiness checks; empty when the server is ready or denies the query. */
  failingChecks(): Promise<string[]>;
  listBudgets(): Promise<BudgetView[]>;
  listDaemonSets(): Promise<ControllerView[]>;
  listDeployments(): Promise<ControllerView[]>;
  /** Whether a service account may patch every node. */
  mayPatchNodes(account: { namespace: string; name: string }): Promise<boolean>;
  /** The controller of a ReplicaSet, or null. */
  ownerOfReplicaSet(namespace: string, name: string): Promise<ControllerRef | null>;
  /** Null: the workload does not exist, or is of a kind that runs to completion. */
  readWorkload(workload: WorkloadName): Promise<WorkloadState | null>;
}

/**
 * `unavailable`: no answer, or none from an API server. `credentials`: rejected credentials or an untrusted server.
 * `forbidden`: missing permission. `rejected`: any other rejection.
 */
export type ApiErrorKind = 'unavailable' | 'credentials' | 'forbidden' | 'rejected';

/** A failed API call. Its type is always `KubernetesApi`. */
export class ApiError extends OspatchError {
  constructor(
    readonly kind: ApiErrorKind,
    info: Omit<ErrorInfo, 'type'>,
    /** The server's Retry-After. */
    readonly retryAfterMs: number | null = null,
  ) {
    super({ type: 'KubernetesApi', ...info });
  }
}
