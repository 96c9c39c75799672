import type { KubernetesOwnerPolicy } from '../../domain/node/reboot-owners';
import type {
  CordonOwner,
  DrainPreview,
  DrainPolicy,
  DrainReport,
  EvictedWorkload,
  KubeNode,
  KubernetesAccess,
  KubernetesBaseline,
  MachineIdentity,
} from '../../domain/kubernetes/types';

/** One node of one cluster, with the access to its API server. */
export interface KubernetesTarget extends KubeNode {
  access: KubernetesAccess;
}

export interface DrainPreviewInput {
  target: KubernetesTarget;
  /** Null: the machine was not queried, and the mapping is not verified. */
  machine: MachineIdentity | null;
  policy: DrainPolicy;
  /** Absent: the default namespaces are trusted, and no owner is ignored. */
  owners?: KubernetesOwnerPolicy;
  /**
   * Observed time without an answer from the API server after which the activity fails with `KubernetesApi`, in
   * milliseconds.
   */
  unreachableTimeoutMs: number;
}

export interface CordonInput {
  target: KubernetesTarget;
  machine: MachineIdentity;
  owner: CordonOwner;
  unreachableTimeoutMs: number;
}

export interface DrainInput extends CordonInput {
  policy: DrainPolicy;
  /** Start of the node's drain, ISO 8601: a retry does not restart the timeout. */
  startedAt: string;
  /** Pods to be evicted before the cordon, for a retry without the state of earlier attempts. */
  planned?: { evict: number; workloads: EvictedWorkload[] };
  /** Before a reboot: evict only pods that arrived since the drain while someone had uncordoned the node. */
  again?: true;
}

export interface AwaitHealthyInput {
  target: KubernetesTarget;
  /** The expected boot id and machine id. */
  machine: MachineIdentity;
  baseline: KubernetesBaseline;
  timeoutMs: number;
}

export interface UncordonInput {
  target: KubernetesTarget;
  /** The owner whose cordon is removed; cordons of others are kept. `any`: any run of this cluster, on this node. */
  owner: CordonOwner | 'any';
}

export interface AwaitWorkloadsInput {
  target: KubernetesTarget;
  workloads: EvictedWorkload[];
  timeoutMs: number;
}

export interface StaleCordonsInput {
  cluster: string;
  access: KubernetesAccess;
}

export interface OutOfServiceInput {
  cluster: string;
  access: KubernetesAccess;
  /** The nodes that count, by their names in Kubernetes. */
  nodeNames: string[];
}

/** A node with a cordon that ospatch set and never removed. */
export interface StaleCordon {
  nodeName: string;
  owner: CordonOwner;
}

/**
 * Activities that call a Kubernetes API server. Each heartbeats a NodeProgress while it runs, may be retried at any
 * time on any worker, and continues from the state it finds. Failures are ApplicationFailures like those of the node
 * activities: `KubernetesApi` when the server did not answer or rejected the worker, `Policy` when the node must not be
 * drained, `WrongNode` when the Node object belongs to another machine, `DrainBlocked` when waiting cannot help.
 */
export interface KubernetesActivities {
  /**
   * What a drain would do. Fails with `WrongNode`, or with `Policy` when the cluster has another reboot owner (kured,
   * system-upgrade-controller). Changes nothing.
   */
  drainPreview(input: DrainPreviewInput): Promise<DrainPreview>;
  /**
   * Waits until the control plane tolerates the loss of the node, then cordons the node. A node cordoned by others
   * keeps their cordon. Returns the baseline. A retry finds its own annotation and returns the same baseline.
   */
  cordon(input: CordonInput): Promise<KubernetesBaseline>;
  /** Evicts until no pod is left or the timeout is exceeded. Fails with `DrainBlocked` before the first eviction. */
  drain(input: DrainInput): Promise<DrainReport>;
  /** Waits for: Ready under the boot id, DaemonSet pods ready, no new pressure. Fails with `Unhealthy`. */
  awaitHealthy(input: AwaitHealthyInput): Promise<void>;
  /** Removes the cordon of {@link UncordonInput.owner}. `false`: there was no such cordon. Retries without limit. */
  uncordon(input: UncordonInput): Promise<boolean>;
  /** Fails with `Unhealthy` and the workloads with fewer available pods than before the drain and than desired. */
  awaitWorkloads(input: AwaitWorkloadsInput): Promise<void>;
  /** Which of the nodes are missing, not Ready or cordoned, whoever cordoned them, by their names in Kubernetes. */
  outOfService(input: OutOfServiceInput): Promise<string[]>;
  /** Cordons of ospatch on any node of the Kubernetes cluster, for `ospatch doctor`. */
  findStaleCordons(input: StaleCordonsInput): Promise<StaleCordon[]>;
}
