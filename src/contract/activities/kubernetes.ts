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

/** One node of one cluster, and how to reach its API server. */
export interface KubernetesTarget extends KubeNode {
  access: KubernetesAccess;
}

export interface DrainPreviewInput {
  target: KubernetesTarget;
  /** Null: the machine was not asked, and the mapping is not checked. */
  machine: MachineIdentity | null;
  policy: DrainPolicy;
  /** Observed time without an answer of the API server after which the activity fails with `KubernetesApi`, in milliseconds. */
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
  /** When the drain of this node began, ISO 8601: a retry does not get the whole time again. */
  startedAt: string;
  /** What was to be evicted before the cordon, for a retry that cannot know what went before it. */
  planned?: { evict: number; workloads: EvictedWorkload[] };
  /** Before a reboot: only what has come since the drain, because somebody took the cordon off for a while. */
  again?: true;
}

export interface AwaitHealthyInput {
  target: KubernetesTarget;
  /** The boot id must be this one. */
  machine: MachineIdentity;
  baseline: KubernetesBaseline;
  timeoutMs: number;
}

export interface UncordonInput {
  target: KubernetesTarget;
  /** Whose cordon is taken off; any other is left alone. `any`: whatever run of this cluster left it on this node. */
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

/** A node whose cordon ospatch has put on and nobody has taken off. */
export interface StaleCordon {
  nodeName: string;
  owner: CordonOwner;
}

/**
 * Activities that talk to a Kubernetes API server. Each heartbeats a NodeProgress for as long as it runs, may be retried
 * at any moment on any worker and goes on from what it finds. Failures are ApplicationFailures as those of the node
 * activities; `KubernetesApi` means that the server did not answer or refused the worker, `Policy` that the node must not
 * be drained, `WrongNode` that the Node object is another machine's, `DrainBlocked` that no waiting will help.
 */
export interface KubernetesActivities {
  /**
   * What a drain would meet. Fails with `WrongNode`, and with `Policy` when the cluster has another reboot owner (kured,
   * system-upgrade-controller). Changes nothing.
   */
  drainPreview(input: DrainPreviewInput): Promise<DrainPreview>;
  /**
   * Waits until the control plane can spare the node, then cordons it. A node that others have cordoned stays theirs.
   * Returns what the node was like before. Repeated, it finds its own annotation and the same baseline.
   */
  cordon(input: CordonInput): Promise<KubernetesBaseline>;
  /** Evicts until nothing is left, or the time is over. Fails with `DrainBlocked` before the first eviction. */
  drain(input: DrainInput): Promise<DrainReport>;
  /** Ready under the boot id, DaemonSet pods ready, no pressure that was not there before. Fails with `Unhealthy`. */
  awaitHealthy(input: AwaitHealthyInput): Promise<void>;
  /** Takes off what {@link UncordonInput.owner} has put on. `false`: there was nothing of it. Tries without end. */
  uncordon(input: UncordonInput): Promise<boolean>;
  /** Fails with `Unhealthy` and the workloads that have fewer pods available than before the drain, and than they want. */
  awaitWorkloads(input: AwaitWorkloadsInput): Promise<void>;
  /** Cordons of ospatch on any node of the Kubernetes cluster, for `ospatch doctor`. */
  findStaleCordons(input: StaleCordonsInput): Promise<StaleCordon[]>;
}
