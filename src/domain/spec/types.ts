/**
 * The spec as the rest of the product sees it: validated, defaults filled in, every short form written out.
 *
 * A normalised spec is itself a valid spec document (`get NAME -o yaml | apply -f -` changes nothing). The one
 * difference from what a user may write: `ssh` is resolved onto every node, and the entries of the `knownHosts` file
 * that belong to a node stand in its `hostKeys`.
 */
import type { KubernetesPolicy } from '../kubernetes/types';
import type { EksPolicy } from '../eks/policy';
import type { PackagePolicy } from './package-policy';
import type { RestartPolicy } from './restart-policy';

export const API_VERSION = 'ospatch/v1';

/** More nodes than this are refused by `validate` and `apply`. */
export const MAX_NODES = 5_000;

export const CLUSTER_TYPES = ['self-managed', 'imported', 'eks', 'aks', 'gke', 'managed'] as const;
export type ClusterType = (typeof CLUSTER_TYPES)[number];

export const NODE_ROLES = ['control-plane', 'worker'] as const;
export type NodeRole = (typeof NODE_ROLES)[number];

export const PRESETS = ['weekly', 'every-2-weeks', 'monthly', 'every-2-months'] as const;
export type Preset = (typeof PRESETS)[number];

export const ROLLOUT_ORDERS = ['workers-first', 'control-planes-first'] as const;
export type RolloutOrder = (typeof ROLLOUT_ORDERS)[number];

export const ON_FAILURE = ['stop', 'continue'] as const;
export type OnFailure = (typeof ON_FAILURE)[number];

/** How the node helper gets onto a node: written by ospatch on first use, or placed by an administrator. */
export const HELPER_MODES = ['auto', 'preinstalled'] as const;
export type HelperMode = (typeof HELPER_MODES)[number];

/** What speaks SSH: ospatch itself, or the OpenSSH client of the worker (certificates, FIDO keys, post-quantum kex). */
export const SSH_TRANSPORTS = ['builtin', 'openssh'] as const;
export type SshTransport = (typeof SSH_TRANSPORTS)[number];

/** Jump hosts one behind the other; more than this is a mistake. */
export const MAX_JUMPS = 4;

/** A yearly date and time on the wall clock of the schedule's zone. February 29 means leap years only. */
export interface CustomDate {
  month: number;
  day: number;
  hour: number;
  minute: number;
}

interface ScheduleOptions {
  /** How late a start may still happen when nobody was there to start it, e.g. `1h`. */
  startWithin: string;
  /** Starts are spread over this long, each cluster at its own moment, e.g. `30m`. Absent: all start on the minute. */
  spread?: string;
}

/** `anchor` (YYYY-MM-DD, a Sunday) belongs to `every-2-weeks` only. `once` is a local date and time without offset. */
export type Schedule = ScheduleOptions &
  ({ preset: Preset; anchor?: string } | { custom: CustomDate } | { cron: string } | { once: string });

export interface Rollout {
  order: RolloutOrder;
  onFailure: OnFailure;
}

/** A last resort for a node that does not come back from a reboot. */
export interface PowerCycleHook {
  /** Bare name of a program in the worker's hook directory. */
  name: string;
  /** How long the node must have been unreachable after the reboot, e.g. `15m`. */
  after: string;
}

/** When packages are downloaded: before the node is drained, a while before the window as well, or in the transaction. */
export type Prefetch = 'before-drain' | 'off' | { beforeWindow: string };

export interface Patching {
  patchOnBoot: boolean;
  rebootIfRequired: boolean;
  /** Bare name of a program on the node that reboots it; default: systemd. */
  rebootCommand?: string;
  /** What is done about services that run replaced code. Absent: nothing. */
  restartServices?: RestartPolicy;
  powerCycleHook?: PowerCycleHook;
  timeZone: string;
  schedule?: Schedule;
  rollout: Rollout;
  prefetch: Prefetch;
  /** How long a node may be unreachable before anything changed there, e.g. `10m`; a boot run waits at least 30m. */
  unreachableTimeout: string;
  /** How long locks of other programs on a node are waited for, e.g. `2h`. Specs of versions before this field lack it. */
  lockTimeout?: string;
  /** Patch nodes with an active kubelet, k3s or rke2 although nothing drains them. */
  withoutDrain: boolean;
  /** Which pending packages are patched. Specs of versions before this field do not have it. */
  packages?: PackagePolicy;
}

export interface SshAccess {
  user: string;
  port: number;
  /** A bare file name in the worker's key directory, or `agent`. */
  identity: string;
  helper: HelperMode;
  /** Absent: builtin. */
  transport?: 'openssh';
  /** Machines to go through, the one that is reached first in front. Absent: none. */
  jump?: SshHop[];
}

/** A jump host. Its own host key is verified under its own name. */
export interface SshHop {
  host: string;
  port: number;
  user: string;
  identity: string;
  hostKeys: string[];
}

export interface NodeSpec {
  name: string;
  host: string;
  role: NodeRole;
  zone?: string;
  labels?: Record<string, string>;
  /** Its name in Kubernetes. Absent: the name. */
  kubernetesName?: string;
  /** Task queue of the workers that reach the node. Absent: that of the cluster. */
  taskQueue?: string;
  ssh: SshAccess;
  /**
   * Trusted host keys, each `TYPE BASE64` as in a known_hosts line without the host, or with `@cert-authority` or
   * `@revoked` in front. Never empty once applied.
   */
  hostKeys: string[];
}

interface SpecHeader {
  apiVersion: typeof API_VERSION;
  /** DNS label; the workflow id is `cluster/<name>`. */
  name: string;
  description?: string;
}

export interface SelfManagedSpec extends SpecHeader {
  type: 'self-managed';
  /** Absent: nodes are not drained. */
  kubernetes?: KubernetesPolicy;
  /** Task queue of the workers that reach the nodes. Absent: that of the workflows. */
  taskQueue?: string;
  patching: Patching;
  nodes: NodeSpec[];
}

/** An EKS cluster: AWS updates its managed node groups when it is asked to. */
export interface EksSpec extends SpecHeader {
  type: 'eks';
  eks: EksPolicy;
  /** Task queue of the workers that ask AWS. Absent: that of the workflows. */
  taskQueue?: string;
  patching: EksPatching;
}

export interface EksPatching {
  timeZone: string;
  schedule?: Schedule;
  rollout: Pick<Rollout, 'onFailure'>;
}

/** A cluster that ospatch lists but never patches. One of type `eks` was applied before those could be patched. */
export interface NotPatchableSpec extends SpecHeader {
  type: Exclude<ClusterType, 'self-managed'>;
}

export type PatchableSpec = SelfManagedSpec | EksSpec;

export type ClusterSpec = PatchableSpec | NotPatchableSpec;

/** What a node activity needs to know to reach one node. Holds references to secrets, never secrets. */
export interface NodeTarget {
  cluster: string;
  name: string;
  host: string;
  ssh: SshAccess;
  hostKeys: string[];
}
