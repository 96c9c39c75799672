import type { InspectionPolicy, NodeInspection } from '../../domain/inspection/node';
import type { IgnoredRebootOwner } from '../../domain/node/reboot-owners';
import type { PackagePolicy } from '../../domain/spec/package-policy';
import type { IneffectiveReboot } from '../../domain/node/reboot';
import type { RestartPolicy } from '../../domain/spec/restart-policy';
import type { NodeTarget } from '../../domain/spec/types';
import type {
  ApplyReport,
  NodeFacts,
  FailedNodeFacts,
  UnreachableNode,
  PhaseOutcome,
  PreflightReport,
  RestartReport,
} from '../../domain/node/report';

/** Job ids are `<token>-<phase>-<attempt>`; `token` is 16 hex characters chosen by the workflow. */
export interface JobRef {
  token: string;
  attempt: number;
}

/** Limits after which a call returns `unreachable`; without `noticeAfterMs` it never does. */
export interface Watch {
  /** Observed unreachable time, in milliseconds. */
  noticeAfterMs?: number;
  /** Observed by earlier calls of the same step, in milliseconds. */
  observedMs?: number;
  /** How long earlier calls have followed the job on the node, in milliseconds, before they returned a notice. */
  jobMs?: number;
}

/** Limit on the beginning of a change. */
export interface BeginBy {
  /**
   * From this moment on, epoch milliseconds, a change that has not begun on the node is not begun: the activity fails with
   * `WindowOver`. Absent: no limit.
   */
  beginByMs?: number;
}

export interface PreflightInput extends JobRef {
  target: NodeTarget;
  /** Which packages are patched; default: {@link DEFAULT_PACKAGE_POLICY}. */
  packages?: PackagePolicy;
  /** Limit for waiting for locks of other programs, in milliseconds; default: 2 hours. */
  lockTimeoutMs?: number;
  /** Patch although a Kubernetes agent is active and the node is not drained. */
  withoutDrain: boolean;
  /** Other reboot owners beside which the node is patched. Absent: none. */
  ignoredOwners?: IgnoredRebootOwner[];
  /** Observed unreachable time after which the activity fails with `Unreachable`, in milliseconds. */
  unreachableTimeoutMs: number;
  /** Part of that time already observed by an earlier call of the same step, in milliseconds. */
  observedMs?: number;
}

export interface PrefetchInput extends JobRef {
  target: NodeTarget;
  /** The policy used for the plan. */
  packages?: PackagePolicy;
  /** As for preflight. */
  lockTimeoutMs?: number;
  packageManager: string;
  planDigest: string;
  /** Number of packages in the plan, for progress. */
  planned: number;
  /** Observed unreachable time after which the activity fails with `Unreachable`, in milliseconds. */
  unreachableTimeoutMs: number;
}

export interface ApplyInput extends JobRef, Watch, BeginBy {
  target: NodeTarget;
  /** The policy used for the plan. */
  packages?: PackagePolicy;
  /** As for preflight. */
  lockTimeoutMs?: number;
  /** The package manager of the node, from its facts; default `apt`, the only one in versions before this field. */
  packageManager?: string;
  /**
   * The plan's digest; if the node would change another set, the activity fails with `PlanChanged` and changes nothing.
   */
  planDigest: string;
  /** Number of packages in the plan, for progress. */
  planned: number;
  /** Observed unreachable time after which the activity fails with `UnreachableAfterChange`, in milliseconds. */
  lostTimeoutMs: number;
}

export interface RepairInput extends JobRef, Watch {
  target: NodeTarget;
  /** As for apply. */
  packages?: PackagePolicy;
  lockTimeoutMs?: number;
  packageManager?: string;
  lostTimeoutMs: number;
}

export interface RestartInput extends JobRef, Watch, BeginBy {
  target: NodeTarget;
  policy: RestartPolicy;
  /** The node is drained by ospatch: container runtimes may be restarted too. */
  drained: boolean;
  lostTimeoutMs: number;
}

export interface InspectFailedInput extends JobRef {
  target: NodeTarget;
  packages?: PackagePolicy;
  unreachableTimeoutMs: number;
}

export interface RebootInput extends Watch, BeginBy {
  target: NodeTarget;
  /** The node reboots only if this is still its boot id, so a retry after the reboot is a no-op. */
  bootId: string;
  /** Name of the program on the node that reboots it (`patching.rebootCommand`); default: systemd. */
  command?: string;
  lostTimeoutMs: number;
}

export interface PowerCycleInput {
  target: NodeTarget;
  /** Name of the program in the worker's hook directory. */
  hook: string;
}

export interface TargetInput {
  target: NodeTarget;
  unreachableTimeoutMs: number;
  /** As for preflight. */
  observedMs?: number;
}

export interface InspectInput extends TargetInput {
  policy: InspectionPolicy;
  /** Limit for the facts, in milliseconds. */
  factsLimitMs: number;
  /** Limit for the pending packages, in milliseconds. */
  planLimitMs: number;
  /** The last reboot that did not clear its reasons. Absent: none. */
  ineffectiveReboot?: IneffectiveReboot;
  /** Leaves no trace: installs no helper, starts no job as a test. Absent: may do both. */
  changeNothing?: true;
}

export interface ReadLogInput extends TargetInput {
  /** Job token of one node patch; all its phases are read in order. Null reads the newest node patch on the node. */
  token: string | null;
  maxBytes: number;
}

/**
 * Activities that work on one node. Each heartbeats while it runs, may be retried at any time on any worker, and
 * continues from the state it finds on the node. Failures are ApplicationFailures whose `type` is an ErrorType, whose
 * message is one clause, and whose `details[0]` is the ErrorInfo.
 */
export interface NodeActivities {
  /** Facts, refresh, plan. Fails with `Policy` or `UnsupportedOs` when the node must not be patched. */
  preflight(input: PreflightInput): Promise<PreflightReport>;
  /** Downloads the packages of the plan. Fails with `PlanChanged` when the node would change another set. */
  prefetch(input: PrefetchInput): Promise<void>;
  /** Runs the package transaction of this attempt exactly once, whatever is killed. */
  apply(input: ApplyInput): Promise<PhaseOutcome<ApplyReport> | UnreachableNode>;
  /** Brings an interrupted package database back to a consistent state. */
  repair(input: RepairInput): Promise<PhaseOutcome<ApplyReport> | UnreachableNode>;
  /** Restarts services that run outdated code, as far as the policy allows, and verifies that they are active. */
  restart(input: RestartInput): Promise<PhaseOutcome<RestartReport> | UnreachableNode>;
  /** Requests the reboot and waits until the boot id has changed and the system has settled. Returns the facts. */
  reboot(input: RebootInput): Promise<NodeFacts | UnreachableNode>;
  /** Runs the worker's power-cycle hook once. Fails with `PowerCycle` when the hook cannot be run or fails. */
  powerCycle(input: PowerCycleInput): Promise<void>;
  /** The state after a failed patch: its changes, and the pending packages. */
  inspectFailedNode(input: InspectFailedInput): Promise<FailedNodeFacts>;
  /** Facts only. */
  readFacts(input: TargetInput): Promise<NodeFacts>;
  /**
   * What a run would meet on the node, without its drain. Errors of the node are part of the result. Changes nothing,
   * except that the helper may be installed, unless that is not wanted.
   */
  inspectNode(input: InspectInput): Promise<NodeInspection>;
  /** Which of the nodes nobody can log in to now, by name. A node that refuses the login is there, and not among them. */
  unreachableNodes(input: { targets: NodeTarget[] }): Promise<string[]>;
  /**
   * Which of the nodes prove to hold a trusted host key now, by name. Ends after the key exchange: nobody logs in, and no
   * key is offered.
   */
  probeHostKeys(input: { targets: NodeTarget[] }): Promise<string[]>;
  readLog(input: ReadLogInput): Promise<{ log: string; truncated: boolean }>;
}
