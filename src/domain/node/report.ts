/** Results of the node activities; all plain JSON. */
import type { BootFacts } from './boot';
import type { FailedUnit } from './failed-units';
import type { BlockedPod } from '../kubernetes/types';
import type { NodeWarning } from './warning';
import type { OutdatedCode } from './outdated-code';

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

/** The locks that a package transaction needs: package manager, debconf, user database. */
export const LOCK_KINDS = ['package', 'debconf', 'passwd'] as const;
export type LockKind = (typeof LOCK_KINDS)[number];

/** The result of one `facts` call. Text from the node is capped and free of control characters. */
export interface NodeFacts {
  /** Protocol number of the helper. */
  protocol: number;
  os: { id: string; versionId: string; codename: string; prettyName: string };
  /** Point release where the OS has one, e.g. `Debian GNU/Linux 12.15`: the Patched Version. */
  osVersion: string;
  packageManager: string;
  arch: string;
  kernelRunning: string;
  /** Newest installed kernel; null when unknown (containers, no kernel package). */
  kernelNewest: string | null;
  /**
   * Identifies the running boot. In a container with the host's boot id, derived from that id and the start time of
   * init.
   */
  bootId: string;
  /** The boot id that the kernel shows, in a container where it is the host's. Absent: same as `bootId`. */
  kernelBootId?: string;
  /** Absent in containers and with older helpers. */
  boot?: BootFacts;
  /** From /etc/machine-id; null when the node has none or an older helper does not report it. */
  machineId?: string | null;
  /** The container type reported by systemd-detect-virt (`systemd-nspawn`, `lxc`); null on bare metal or a VM. */
  container: string | null;
  reboot: {
    required: boolean;
    reasons: string[];
    /** Modification time of /run/reboot-required, by the node's clock. Absent: the file does not exist. */
    stamp?: string;
    /** Reasons that a reboot did not clear and that no longer count. Absent: none. */
    ineffective?: string[];
  };
  packages: {
    count: number;
    /** `sha256:` and the first 16 hex digits of the digest over the sorted `name:arch=version` list. */
    digest: string;
    /** Problems of the package database (half-installed packages, an interrupted transaction); empty = healthy. */
    problems: string[];
  };
  /** Current holder of a package-manager lock, e.g. `apt-get (pid 812)`; null when free. */
  lockHolder: string | null;
  /** The kind of that lock. Absent: package. */
  lockKind?: LockKind;
  /** Job id of a running ospatch job on the node, if any. */
  job: string | null;
  diskFreeMiB: { root: number; var: number; boot: number };
  /**
   * Free inodes by mount point, of /, /var, /usr, /boot, /run and /tmp; absent for file systems without a fixed number.
   */
  freeInodes: Record<string, number>;
  /** systemctl is-system-running: running, degraded, starting, ... */
  systemState: string;
  failedUnits: string[];
  /** Details of units that have failed or are restarted in a loop; absent when the helper does not report them. */
  failedUnitDetails?: FailedUnit[];
  /** Units that fail and wait for a restart. Absent: none. */
  restartingUnits?: string[];
  /** The node did not report failed units in time, so none is named. Absent: it did. */
  unitsUnknown?: true;
  /** Other active updaters of the node (unattended-upgrades, dnf-automatic). */
  otherUpdaters: string[];
  /** Other reboot owners of the node (unattended-upgrades with Automatic-Reboot, kured, ...). */
  rebootOwners: string[];
  /** Active Kubernetes agents: kubelet, k3s, rke2-server, ... */
  kubernetesAgents: string[];
  /** Outdated code. Absent: an older helper does not report it. */
  outdated?: OutdatedCode;
  /** Findings that do not stop a patch. */
  warnings: NodeWarning[];
  /** The node's clock, ISO 8601 UTC; informational, no decision uses it. */
  clock: string;
}

/** What an apply would do now. */
export interface PatchPlan {
  changes: PackageChange[];
  /** How many of them fix a security problem, by archive, advisory or patch. Absent: nothing on the node says so. */
  security?: number;
  /** How old the package lists are, in milliseconds. Absent: they were refreshed, or it is not known. */
  listsAgeMs?: number;
  /** Packages with a newer version that are not updated, with the reason (`held`, `kubernetes`, `phased`). */
  keptBack: { name: string; reason: string }[];
  /** Updates that exist but are not offered, outdated package lists, and the like. */
  warnings: NodeWarning[];
  /** Digest of exactly this set; apply changes nothing when the set differs. */
  digest: string;
}

/** A plan without its packages, which the apply report names; a history must not hold them twice. */
export interface PlanSummary extends Omit<PatchPlan, 'changes'> {
  /** Number of packages that would change. */
  pending: number;
}

export function summarisePlan({ changes, ...plan }: PatchPlan): PlanSummary {
  return { ...plan, pending: changes.length };
}

/** Result of the `preflight` activity. */
export interface PreflightReport {
  facts: NodeFacts;
  /** An empty digest means that no plan was made; `refused` is the reason. */
  plan: PlanSummary;
  /** Changes made by completing an earlier interrupted transaction; null when there was none. */
  repaired: ApplyReport | null;
  /** Why the node must not be patched now although its facts could be read. */
  refused?: import('../shared/errors').ErrorInfo;
}

/** Result of the `inspectFailedNode` activity: the state in which a failed patch left a node. */
export interface FailedNodeFacts {
  facts: NodeFacts;
  /** Pending packages; null when unknown. */
  pending: number | null;
  /** All changes of this patch, from the package database; null when unknown. */
  changes: PackageChange[] | null;
}

/** Result of the `apply` activity: the package transaction ended and its report was read. */
export interface ApplyReport {
  changes: PackageChange[];
  /**
   * Configuration files kept by the node, whose packaged version was saved beside them (`*.dpkg-dist` and the like).
   */
  keptConfigFiles: string[];
  /** Problems outside the transaction itself. */
  warnings: NodeWarning[];
  /** Set when the package manager failed; the changes made are still in `changes`. */
  error: import('../shared/errors').ErrorInfo | null;
  /** The transaction was interrupted by a signal or an error, so a repair is due. Absent = false. */
  unfinished?: boolean;
  /** Size of the job's log on the node, in bytes. */
  logBytes: number;
  /** Seconds between the end of the transaction and this report: long when no worker was running. */
  endedAgo: number;
}

/** Result of the `restart` activity. */
export interface RestartReport {
  /** Restarted, and active afterwards. */
  restarted: string[];
  skipped: { name: string; reason: string }[];
  /** Not active afterwards. `journal`: the last lines of the unit's journal. */
  failed: { name: string; reason: string; journal: string[] }[];
  /** Set when a restart failed. */
  error: import('../shared/errors').ErrorInfo | null;
}

/**
 * The end of a phase. `interrupted`: proven dead without an exit code (power cut, out of memory), so a repair and a new
 * attempt are due. All other failures are errors with a type of their own.
 */
export type PhaseOutcome<R> =
  { state: 'done'; result: R } | { state: 'interrupted'; how: 'lost-reboot' | 'lost-killed' };

/**
 * A node that has been unreachable, or whose job has been running, for as long as the caller was willing to wait.
 * Nothing is abandoned: calling again continues the wait.
 */
export interface UnreachableNode {
  state: 'unreachable';
  /** Observed unreachable time so far, in milliseconds. */
  observedMs: number;
  /** One clause: the result of the last attempt. */
  message: string;
  /**
   * The node answers, but our job has been running there for this long, in milliseconds. Absent: the node does not
   * answer.
   */
  jobMs?: number;
}

export function isUnreachable(value: object): value is UnreachableNode {
  return 'state' in value && value.state === 'unreachable';
}

/** Progress in the heartbeat of a node activity, for display. */
export interface NodeProgress {
  step: NodeStep;
  /** Finished packages and total, during apply. */
  done?: number;
  total?: number;
  /** What the activity waits for, e.g. `package lock held by apt-get (pid 812)`. */
  waitingFor?: string;
  /** Start of the wait, ISO 8601. */
  waitingSince?: string;
  /** When the wait times out, as observed by a running worker, ISO 8601. Absent: unknown, or no limit. */
  waitingUntil?: string;
  /** During a drain: the pods it waits for, longest wait first, at most 5. */
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
