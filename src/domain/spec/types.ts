/**
 * The normalised spec: validated, defaults filled in, short forms expanded.
 *
 * A normalised spec is itself a valid spec document (`get NAME -o yaml | apply -f -` changes nothing). It differs from
 * user input in that `ssh` is resolved onto every node, and the entries of the `knownHosts` file for a node are in its
 * `hostKeys`.
 */
import type { AlertsSpec } from '../alerts/types';
import type { KubernetesPolicy } from '../kubernetes/types';
import type { Bounded } from '../trust/address-bounds';
import type { EksPolicy } from '../eks/policy';
import type { NotificationTarget } from '../notifications/types';
import type { RebootOwnerPolicy } from '../node/reboot-owners';
import type { PackagePolicy } from './package-policy';
import type { RestartPolicy } from './restart-policy';

export const API_VERSION = 'ospatch/v1';

/** `validate` and `apply` reject more nodes. */
export const MAX_NODES = 5_000;

export const CLUSTER_TYPES = ['self-managed', 'imported', 'eks', 'aks', 'gke', 'managed'] as const;
export type ClusterType = (typeof CLUSTER_TYPES)[number];

export const NODE_ROLES = ['control-plane', 'worker'] as const;
export type NodeRole = (typeof NODE_ROLES)[number];

export const PRESETS = ['weekly', 'every-2-weeks', 'monthly', 'every-2-months'] as const;
export type Preset = (typeof PRESETS)[number];

export const ROLLOUT_ORDERS = ['workers-first', 'control-planes-first'] as const;
export type RolloutOrder = (typeof ROLLOUT_ORDERS)[number];

/** Shorthand: `stop` is `maxFailures: 0` with `onExceeded: stop`, `continue` is `maxFailures: 100%`. */
export const ON_FAILURE = ['stop', 'continue'] as const;
export type OnFailure = (typeof ON_FAILURE)[number];

/** What becomes of a node that is drained and not yet changed when its maintenance window ends. */
export const ON_WINDOW_END = ['finish-node', 'back-out'] as const;
export type OnWindowEnd = (typeof ON_WINDOW_END)[number];

export const ON_EXCEEDED = ['stop', 'pause'] as const;
export type OnExceeded = (typeof ON_EXCEEDED)[number];

export const ZONE_RULES = ['any', 'one-at-a-time'] as const;
export type ZoneRule = (typeof ZONE_RULES)[number];

/** A number of nodes, or a share of them. */
export type Amount = number | `${number}%`;

/** How the helper gets onto a node: installed by ospatch on first use, or by an administrator. */
export const HELPER_MODES = ['auto', 'preinstalled'] as const;
export type HelperMode = (typeof HELPER_MODES)[number];

/** The SSH client: that of ospatch, or the OpenSSH client of the worker (certificates, FIDO keys, post-quantum kex). */
export const SSH_TRANSPORTS = ['builtin', 'openssh'] as const;
export type SshTransport = (typeof SSH_TRANSPORTS)[number];

/** Maximum length of a chain of jump hosts. */
export const MAX_JUMPS = 4;

/** A yearly date and time on the wall clock of the schedule's zone. February 29 means leap years only. */
export interface CustomDate {
  month: number;
  day: number;
  hour: number;
  minute: number;
}

/** Entries of one schedule. */
export const MAX_SCHEDULE_ENTRIES = 20;

interface ScheduleOptions {
  /** How late a run may still start when no worker was running, e.g. `1h`; not longer than `duration`. */
  startWithin: string;
  /** Starts are spread over this time, each cluster at its own offset, e.g. `30m`. Absent: all start on the minute. */
  spread?: string;
  /** Elapsed time from the start of a window to its end, e.g. `4h`. Absent: a run has no end. */
  duration?: string;
  /** How long before the end no more node starts, or `forecast`. Absent without a duration. */
  cutoff?: string;
  /** IANA time zone of the entry. Absent: that of the patching policy. */
  timeZone?: string;
}

/** `anchor` (YYYY-MM-DD, a Sunday) belongs to `every-2-weeks` only. `once` is a local date and time without offset. */
export type ScheduleEntry = ScheduleOptions &
  ({ preset: Preset; anchor?: string } | { custom: CustomDate } | { cron: string } | { once: string });

/** Blackouts of one spec. */
export const MAX_BLACKOUTS = 50;

/** Times in which no node is started: once, recurring, or those of an iCalendar file on the worker. */
export type Blackout =
  | { from: string; to: string; reason: string; timeZone?: string }
  | { cron: string; duration: string; reason: string; timeZone?: string }
  /** `reason` absent: that of each event is its summary. */
  | { ical: string; reason?: string };

export interface Rollout extends FailureBudget {
  /** By role, or the names of the nodes that come first, in their order. */
  order: RolloutOrder | string[];
  /** Node patches at the same time. */
  concurrency: Amount;
  /** Nodes of the cluster that may be out of service at the same time, whoever is to blame. Absent: no such limit. */
  maxUnavailable?: Amount;
  zones: ZoneRule;
  /** Absent: one stage with all nodes. */
  stages?: RolloutStage[];
}

/** How many members of a run may fail, and what happens when more do. */
export interface FailureBudget {
  maxFailures: Amount;
  onExceeded: OnExceeded;
}

/** A slice of a run's nodes, taken in order from those that no earlier stage has. */
export interface RolloutStage {
  /** How many, as a share of all nodes of the run, or those whose labels match. */
  nodes: Amount | { selector: string };
  /** How long the run waits after the last node of the stage, e.g. `1h`. Absent: not at all. */
  soak?: string;
  /** Less than that of the run. Absent: that of the run. */
  concurrency?: Amount;
}

/** The last resort for a node that does not come back from a reboot. */
export interface PowerCycleHook {
  /** Bare name of a program in the worker's hook directory. */
  name: string;
  /** Minimum unreachable time after the reboot, e.g. `15m`. */
  after: string;
}

/** When packages are downloaded: before the drain, also some time before the window, or during the transaction. */
export type Prefetch = 'before-drain' | 'off' | { beforeWindow: string };

export interface Patching {
  patchOnBoot: boolean;
  rebootIfRequired: boolean;
  /** Bare name of a program on the node that reboots it; default: systemd. */
  rebootCommand?: string;
  /** Absent: no other reboot owner is ignored. */
  rebootOwners?: RebootOwnerPolicy;
  /** Restarts of services on outdated code. Absent: none. */
  restartServices?: RestartPolicy;
  powerCycleHook?: PowerCycleHook;
  timeZone: string;
  /** Never empty. Absent: on demand only. */
  schedule?: ScheduleEntry[];
  /** Never empty. Absent: none. */
  blackouts?: Blackout[];
  rollout: Rollout;
  onWindowEnd: OnWindowEnd;
  /** A run that has been suspended and is older than this goes on no more, e.g. `14d`. */
  maxRunAge: string;
  prefetch: Prefetch;
  /**
   * How long a node may be unreachable before anything was changed on it, e.g. `10m`; a boot run waits at least 30m.
   */
  unreachableTimeout: string;
  /** How long to wait for locks of other programs on a node, e.g. `2h`. Absent in specs of older versions. */
  lockTimeout?: string;
  /** Patch nodes with an active kubelet, k3s or rke2 without a drain. */
  withoutDrain: boolean;
  /** Which pending packages are patched. Absent in specs of older versions. */
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
  /** Jump hosts, in order from the worker. Absent: none. */
  jump?: SshHop[];
}

/** A jump host, verified by its own host keys. */
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
  /** Name of the node in Kubernetes. Absent: same as `name`. */
  kubernetesName?: string;
  /** Task queue of the workers that reach the node. Absent: that of the cluster. */
  taskQueue?: string;
  ssh: SshAccess;
  /**
   * Trusted host keys, each `TYPE BASE64` as in a known_hosts line without the host, optionally prefixed by
   * `@cert-authority` or `@revoked`. Never empty once applied.
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
  /** Silences for the nodes in work, and alerts that hold a run. Absent: neither. */
  alerts?: AlertsSpec;
  /** Task queue of the workers that reach the nodes. Absent: that of the workflows. */
  taskQueue?: string;
  patching: Patching;
  /** Who is told of what happens. Empty: nobody. Absent: the targets of the workers' file. */
  notifications?: NotificationTarget[];
  nodes: NodeSpec[];
}

/** An EKS cluster, whose managed node groups AWS updates on request. */
export interface EksSpec extends SpecHeader {
  type: 'eks';
  eks: EksPolicy;
  /** Alerts that hold a run. Absent: none. */
  alerts?: Omit<AlertsSpec, 'silence'>;
  /** Task queue of the workers that call AWS. Absent: that of the workflows. */
  taskQueue?: string;
  patching: EksPatching;
  /** Who is told of what happens. Empty: nobody. Absent: the targets of the workers' file. */
  notifications?: NotificationTarget[];
}

export interface EksPatching {
  timeZone: string;
  /** Never empty. Absent: on demand only. */
  schedule?: ScheduleEntry[];
  /** Never empty. Absent: none. */
  blackouts?: Blackout[];
  rollout: FailureBudget;
  /** As for nodes. */
  maxRunAge: string;
}

/** A cluster that ospatch lists but never patches. Type `eks`: applied before node groups were supported. */
export interface NotPatchableSpec extends SpecHeader {
  type: Exclude<ClusterType, 'self-managed'>;
}

export type PatchableSpec = SelfManagedSpec | EksSpec;

export type ClusterSpec = PatchableSpec | NotPatchableSpec;

/** SSH access as an activity uses it: with what the policy of the worker has bounded. */
export interface TargetAccess extends Omit<SshAccess, 'jump'>, Bounded {
  jump?: (SshHop & Bounded)[];
}

/** What a node activity needs to connect to one node. Holds references to secrets, never secrets. */
export interface NodeTarget {
  cluster: string;
  name: string;
  host: string;
  ssh: TargetAccess;
  hostKeys: string[];
}
