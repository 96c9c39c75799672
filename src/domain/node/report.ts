/** What activities report about a node; all plain JSON. */
import type { BootFacts } from './boot';
import type { FailedUnit } from './failed-units';
import type { BlockedPod } from '../kubernetes/types';
import type { NodeWarning } from './warning';
import type { OutdatedCode } from './outdated';

/** One package change of a plan or of a finished apply. */
export interface PackageChange {
  name: string;
  /** Architecture as the package manager names it, when it says so. */
  arch?: string;
  /** Installed version before; null for a newly installed package. */
  from: string | null;
  /** Version after; null for a removed package. */
  to: string | null;
}

/** The locks that a package transaction needs: of package managers, of debconf, of the files of users. */
export const LOCK_KINDS = ['package', 'debconf', 'passwd'] as const;
export type LockKind = (typeof LOCK_KINDS)[number];

/** Everything one `facts` call tells about a node. Text from the node is capped and free of control characters. */
export interface NodeFacts {
  /** Protocol number of the helper. */
  protocol: number;
  os: { id: string; versionId: string; codename: string; prettyName: string };
  /** Point release where the OS has one, e.g. `Debian GNU/Linux 12.15`. This is the Patched Version. */
  osVersion: string;
  packageManager: string;
  arch: string;
  kernelRunning: string;
  /** Newest installed kernel; null when it cannot be told (containers, no kernel package). */
  kernelNewest: string | null;
  /** Of the running system. Where the kernel's is that of a host, made of it and of when init was started. */
  bootId: string;
  /** The boot id that the kernel shows, where that is the one of a host. Absent: it is `bootId`. */
  kernelBootId?: string;
  /** Absent in containers, and from older helpers. */
  boot?: BootFacts;
  /** Of /etc/machine-id; null when the node has none or an older helper does not say. */
  machineId?: string | null;
  /** Virtualisation as systemd-detect-virt names a container (`systemd-nspawn`, `lxc`), null on a real machine or VM. */
  container: string | null;
  reboot: {
    required: boolean;
    reasons: string[];
    /** When /run/reboot-required was written, by the node's clock. Absent: it is not there. */
    stamp?: string;
    /** Reasons that a reboot did not take away, which count no more. Absent: none. */
    ineffective?: string[];
  };
  packages: {
    count: number;
    /** `sha256:` and the first 16 hex digits of the digest over the sorted `name:arch=version` list. */
    digest: string;
    /** What is wrong with the package database (half-installed packages, an interrupted transaction); empty = healthy. */
    problems: string[];
  };
  /** Who holds a package-manager lock now, e.g. `apt-get (pid 812)`; null when free. */
  lockHolder: string | null;
  /** Which lock that is. Absent: a package lock. */
  lockKind?: LockKind;
  /** Job id of a running ospatch job on the node, if any. */
  job: string | null;
  diskFreeMiB: { root: number; var: number; boot: number };
  /** Free inodes by mount point, of /, /var, /usr, /boot, /run and /tmp; absent where there is no fixed number of them. */
  freeInodes: Record<string, number>;
  /** systemctl is-system-running: running, degraded, starting, ... */
  systemState: string;
  failedUnits: string[];
  /** More of those that have failed or are started again and again; absent where the helper does not say. */
  failedUnitDetails?: FailedUnit[];
  /** Units that fail and wait to be started again. Absent: none. */
  restartingUnits?: string[];
  /** The node did not tell in time which units have failed, so that none is named. Absent: it did. */
  unitsUnknown?: true;
  /** Others that patch this node (unattended-upgrades, dnf-automatic) and are active. */
  otherUpdaters: string[];
  /** Others that reboot this node (unattended-upgrades with Automatic-Reboot, kured, ...). */
  rebootOwners: string[];
  /** Active Kubernetes agents: kubelet, k3s, rke2-server, ... */
  kubernetesAgents: string[];
  /** What runs code that was replaced on disk. Absent: an older helper does not say. */
  outdated?: OutdatedCode;
  /** What a person should know of the node, although it stops nothing. */
  warnings: NodeWarning[];
  /** The node's clock, ISO 8601 UTC; a note only, no decision uses it. */
  clock: string;
}

/** What an apply would do now. */
export interface PatchPlan {
  changes: PackageChange[];
  /** Packages with a newer version that stay as they are, with the reason (`held`, `kubernetes`, `phased`). */
  keptBack: { name: string; reason: string }[];
  /** Updates that exist and are not offered, lists that are too old to tell, and the like. */
  warnings: NodeWarning[];
  /** Digest of exactly this set; apply does nothing when the set has changed meanwhile. */
  digest: string;
}

/** What a workflow knows of a plan. The packages are named by the apply, so a history does not hold them twice. */
export interface PlanSummary extends Omit<PatchPlan, 'changes'> {
  /** Number of packages that would change. */
  pending: number;
}

export function summarisePlan({ changes, ...plan }: PatchPlan): PlanSummary {
  return { ...plan, pending: changes.length };
}

/** Answer of the `preflight` activity. */
export interface PreflightReport {
  facts: NodeFacts;
  /** Without a digest it was not made, which `refused` explains. */
  plan: PlanSummary;
  /** What completing an interrupted transaction of before has changed; null when there was none. */
  repaired: ApplyReport | null;
  /** Why the node must not be patched now, although it was looked at. */
  refused?: import('../shared/errors').ErrorInfo;
}

/** Answer of the `inspectFailedNode` activity: how a failed patch has left a node. */
export interface FailedNodeFacts {
  facts: NodeFacts;
  /** Packages that are pending now; null when the node cannot say. */
  pending: number | null;
  /** All that this patch has changed, from the package database; null when the node cannot say. */
  changes: PackageChange[] | null;
}

/** Answer of the `apply` activity: the package transaction ended and the node said so. */
export interface ApplyReport {
  changes: PackageChange[];
  /** Configuration files whose packaged version was put aside (`*.dpkg-dist` and the like). */
  keptConfigFiles: string[];
  /** What went wrong beside the transaction itself. */
  warnings: NodeWarning[];
  /** `error` is set when the package manager failed; what did change is still in `changes`. */
  error: import('../shared/errors').ErrorInfo | null;
  /** It was stopped half-way, by a signal or an error of its own: a repair is due. Absent = false. */
  unfinished?: boolean;
  /** Size of the job's log on the node, in bytes. */
  logBytes: number;
  /** Seconds between the end of the transaction and this report: long, when no worker was there to see it end. */
  endedAgo: number;
}

/** Answer of the `restart` activity. */
export interface RestartReport {
  /** Started anew, and up afterwards. */
  restarted: string[];
  skipped: { name: string; reason: string }[];
  /** Not up afterwards. `journal` is the end of what each has said itself. */
  failed: { name: string; reason: string; journal: string[] }[];
  /** Set when one failed. */
  error: import('../shared/errors').ErrorInfo | null;
}

/**
 * How a phase ended. `interrupted`: it was proven dead without an exit code (power cut, out of memory), so a repair and
 * a new attempt are due. Anything else that goes wrong is an error of its own type.
 */
export type PhaseOutcome<R> =
  { state: 'done'; result: R } | { state: 'interrupted'; how: 'lost-reboot' | 'lost-killed' };

/**
 * A node that has been unreachable, or at work, for as long as its caller wanted to wait without word. Nothing is given up: the same
 * call goes on waiting.
 */
export interface UnreachableNode {
  state: 'unreachable';
  /** Observed unreachable time so far, in milliseconds. */
  observedMs: number;
  /** One clause: what the last try met. */
  message: string;
  /** The node does answer, but our own job there has not ended for this long, in milliseconds. Absent: it does not. */
  jobMs?: number;
}

export function isUnreachable(value: object): value is UnreachableNode {
  return 'state' in value && value.state === 'unreachable';
}

/** What a running node activity tells by heartbeat, for people who watch. */
export interface NodeProgress {
  step: NodeStep;
  /** Packages finished so far and in all, during apply. */
  done?: number;
  total?: number;
  /** What it waits for, in words, e.g. `package lock held by apt-get (pid 812)`. */
  waitingFor?: string;
  /** Since when, ISO 8601. */
  waitingSince?: string;
  /** When the wait is given up unless nobody is there to wait, ISO 8601. Absent: not known, or never. */
  waitingUntil?: string;
  /** During a drain: pods it waits for, those that have been in the way for longest first, at most 5. */
  blocked?: BlockedPod[];
}

export const NODE_STEPS = [
  'preflight',
  'prefetch',
  'drain',
  'apply',
  'repair',
  'restart',
  'reboot',
  'verify',
  'uncordon',
] as const;
export type NodeStep = (typeof NODE_STEPS)[number];
