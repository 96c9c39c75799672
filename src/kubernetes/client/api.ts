/** The calls of ospatch to a Kubernetes API server, as an interface. */
import type { ErrorInfo } from '../../domain/shared/errors';
import { OspatchError } from '../../domain/shared/errors';
import type { BudgetView } from '../../domain/kubernetes/disruption-budgets';
import type { WorkloadName } from '../../domain/kubernetes/types';
import type { ControllerRef, PodView } from '../../domain/kubernetes/pod-filter';

/** As much of a Node object as is used. */
export interface NodeView {
  name: string;
  resourceVersion: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
  unschedulable: boolean;
  /** Who set `spec.unschedulable`, by the field manager; null when the server does not say. */
  unschedulableBy: string | null;
  /** Status by type of condition: `True`, `False`, `Unknown`. */
  conditions: Record<string, NodeCondition>;
  machineId: string;
  bootId: string;
  kubeletVersion: string;
}

export interface NodeCondition {
  status: string;
  /** In the words of the kubelet. */
  message: string;
}

/** A merge of metadata and spec. It is refused as `conflict` when the node is not at this version any more. */
export interface NodePatch {
  resourceVersion: string;
  /** Null removes an annotation. */
  annotations: Record<string, string | null>;
  /** Absent: left as it is. */
  unschedulable?: boolean;
}

export type PatchAnswer = { state: 'patched'; node: NodeView } | { state: 'conflict' } | { state: 'gone' };

/** What the server said to an eviction or a deletion. */
export type EvictionAnswer =
  | { state: 'accepted' }
  /** Gone, or another pod has its name by now. */
  | { state: 'gone' }
  /** A budget allows none now. */
  | { state: 'budget'; message: string }
  /** A budget has been changed and not been looked at since. */
  | { state: 'not-observed'; retryAfterMs: number }
  /** The server has too much to do. */
  | { state: 'busy'; retryAfterMs: number }
  | { state: 'two-budgets' }
  | { state: 'namespace-terminating' }
  /** An admission webhook, or a rule of the server about this pod. */
  | { state: 'denied'; message: string };

export interface EvictionOptions {
  /** Absent: the pod's own. */
  gracePeriodSeconds?: number;
}

/** A Deployment or DaemonSet that may be another reboot owner. */
export interface ControllerView {
  namespace: string;
  name: string;
  images: string[];
  /** Pods it wants to have. */
  wanted: number;
}

export interface WorkloadState {
  wanted: number;
  /** Its controller has seen it as it is now. */
  isObserved: boolean;
  available: number;
  /** Labels of the pods it makes. */
  podLabels: Record<string, string>;
}

/**
 * Each call is one question with a timeout of its own.
 * @throws ApiError
 */
export interface KubernetesApi {
  /** Null: there is no such node. */
  readNode(name: string): Promise<NodeView | null>;
  listNodes(): Promise<NodeView[]>;
  patchNode(name: string, patch: NodePatch): Promise<PatchAnswer>;
  podsOfNode(nodeName: string): Promise<PodView[]>;
  /** The pods of one namespace that a label selector selects. */
  podsByLabel(namespace: string, selector: string): Promise<PodView[]>;
  /** Asks the server to evict this very pod, by the budgets. */
  evict(pod: PodView, options: EvictionOptions): Promise<EvictionAnswer>;
  /** Deletes this very pod, whatever the budgets say. */
  delete(pod: PodView, options: EvictionOptions): Promise<EvictionAnswer>;
  /** Names of the checks by which the server is not ready; none when it is, or does not let this user ask. */
  failingChecks(): Promise<string[]>;
  listBudgets(): Promise<BudgetView[]>;
  listDaemonSets(): Promise<ControllerView[]>;
  listDeployments(): Promise<ControllerView[]>;
  /** The controller of a ReplicaSet, or null. */
  ownerOfReplicaSet(namespace: string, name: string): Promise<ControllerRef | null>;
  /** Null: there is no such workload, or it is none that stays available. */
  readWorkload(workload: WorkloadName): Promise<WorkloadState | null>;
}

/**
 * `away`: the server did not answer, or not with an answer. `credentials`: it does not accept who asks, or is not who
 * it should be. `forbidden`: it refuses what was asked. `refused`: anything else it says no to.
 */
export type ApiErrorKind = 'unavailable' | 'credentials' | 'forbidden' | 'rejected';

/** A question that got no useful answer. Its type is always `KubernetesApi`. */
export class ApiError extends OspatchError {
  constructor(
    readonly kind: ApiErrorKind,
    info: Omit<ErrorInfo, 'type'>,
    /** When the server asked to be asked again. */
    readonly retryAfterMs: number | null = null,
  ) {
    super({ type: 'KubernetesApi', ...info });
  }
}
