import type { MemberKind, MemberSettled, MemberStatus } from '../cluster/member';
import { isNode, memberName } from '../cluster/member';
import type { AlertGatePolicy, GateCounts, SilencePolicy } from '../alerts/types';
import type { EksAccess } from '../eks/policy';
import type { CommonSettled, NodeError } from '../node/status';
import { failureSentence, toNodeError } from '../node/status';
import type { KubernetesPolicy } from '../kubernetes/types';
import type { PackagePolicy } from '../spec/package-policy';
import type { IneffectiveReboot } from '../node/reboot';
import type { IgnoredRebootOwner } from '../node/reboot-owners';
import type { RestartPolicy } from '../spec/restart-policy';
import type { FailureBudget, NodeSpec } from '../spec/types';
import type { RunForecasts } from './forecast';
import type { HoldReport } from './hold-report';
import type { RunLimits } from './limits';
import type { PlacedMember, RunHold } from './next-step';
import type { RunStage } from './stages';
import type { RunWindow } from './window-end';
import { isBackInQueue } from './window-end';

export const RUN_TRIGGERS = ['boot', 'schedule', 'on-demand'] as const;
export type RunTrigger = (typeof RUN_TRIGGERS)[number];

/**
 * `failed`: at least one node failed. `stopped`: the failure budget was spent and nodes were not tried. `cancelled`: the run
 * was, or the patch of a node that has not failed. `expired`: suspended for so long that it was given up.
 */
export type RunOutcome = 'succeeded' | 'failed' | 'stopped' | 'cancelled' | 'expired';

const UNSUCCESSFUL: readonly string[] = ['failed', 'stopped', 'cancelled', 'expired'] satisfies RunOutcome[];

/** Whether the run has ended without getting through. `outcome`: of a run, or whatever else was read as one. */
export function isUnsuccessful(outcome: string | null): boolean {
  return outcome !== null && UNSUCCESSFUL.includes(outcome);
}

/** The policy with which a run started. Later spec changes do not apply, except {@link RunRestrictions}. */
export type RunPolicy = NodeRunPolicy | NodeGroupRunPolicy;

interface CommonRunPolicy {
  limits: RunLimits;
  /** Firing alerts hold the next member. Absent: they do not. */
  alertGate?: AlertGatePolicy;
  /** Task queue of the workers that reach the nodes, or AWS; a node may have its own. Absent: that of the workflows. */
  taskQueue?: string;
}

export interface NodeRunPolicy extends CommonRunPolicy, NodePatchPolicy {
  /** Nodes of one role are over before one of the other is started. */
  rolesApart: boolean;
  /** In order; the nodes of the run stand in this order too. */
  stages: RunStage[];
}

/** What the patch of one node is started with. */
export interface NodePatchPolicy {
  kind: 'node';
  rebootIfRequired: boolean;
  /** Program on the node that reboots it; default: systemd. */
  rebootCommand?: string;
  /** Other reboot owners beside which nodes are patched. Absent: none. */
  ignoredOwners?: IgnoredRebootOwner[];
  /** Restarts of services on outdated code. Absent: none. */
  restartServices?: RestartPolicy;
  /** Hook to run on the worker when a node has not come back `afterMs` after its reboot. */
  powerCycle?: { hook: string; afterMs: number };
  withoutDrain: boolean;
  /** Silences for the node in work. Absent: none. */
  silence?: SilencePolicy;
  /**
   * The run is asked before the node is taken out of service: it limits how many are, or alerts hold it. Absent: it is not asked.
   */
  limitedOutages?: true;
  /** Download packages before the drain. */
  prefetch: boolean;
  unreachableTimeoutMs: number;
  /** Limit for waiting for locks of other programs on a node. Absent: 2 hours. */
  lockTimeoutMs?: number;
  /** Absent in runs of older versions, which use the defaults. */
  packages?: PackagePolicy;
  /** How nodes are drained. Absent: no drain. */
  kubernetes?: KubernetesPolicy;
  /** Task queue of the workers that reach the nodes; a node may have its own. Absent: that of the workflows. */
  taskQueue?: string;
}

export interface NodeGroupRunPolicy extends CommonRunPolicy {
  kind: 'node-group';
  /** For the limits once it is known which node groups there are. */
  budget: FailureBudget;
  access: EksAccess;
  force: boolean;
  launchTemplates?: boolean;
  /**
   * The groups were not named in a request, so a group that cannot be updated is skipped instead of failing the run.
   */
  skipRefused: boolean;
}

/** Where a suspended run continues. */
export interface RunCursor {
  settled: MemberSettled[];
  /** Failures counted against the failure budget so far. */
  failures: number;
  /** The last stage of which a member was started. Absent: the first. */
  openStage?: number;
  /** When the last member settled, ISO 8601. Absent: none has. */
  lastSettledAt?: string;
  /** How often members were given another turn, by name, as far as the run has taken that in. Absent: none was. */
  retried?: Record<string, number>;
  /** Why the run was suspended. Absent: by a pause, or for a fresh history. */
  hold?: RunHold;
  /** Since when that keeps the run from going on, ISO 8601. */
  holdSince?: string;
  /** Node patches that continue without a run workflow, until the next one of the run takes them over. Absent: none. */
  inFlight?: HandedOverPatch[];
}

/** Adds the ends of node patches that continued without a run workflow to the cursor of a suspended run. */
export function settleHandedOver(cursor: RunCursor, settled: readonly MemberSettled[]): void {
  const open = new Map((cursor.inFlight ?? []).map((one) => [one.node, one]));
  const ended = settled.filter(({ node }) => open.delete(node));
  cursor.settled = [...cursor.settled, ...ended.filter((one) => !isBackInQueue(one))];
  cursor.failures += ended.filter(countsAsFailure).length;
  cursor.inFlight = [...open.values()];
}

/** Marks node patches that continue without a run workflow as lost, when the cluster has heard of that. */
export function markHandedOverLost(cursor: RunCursor, lost: readonly LostNode[]): void {
  const known = new Map(lost.map(({ node, workflowRunId }) => [node, workflowRunId]));
  cursor.inFlight = (cursor.inFlight ?? []).map((one) =>
    known.get(one.node) === one.workflowRunId ? { ...one, lost: true } : one,
  );
}

/** Whether nodes are being patched that only a run workflow can take care of: one has just handed over to the next. */
export function handsOverNodes({ inFlight = [] }: RunCursor): boolean {
  return inFlight.some(({ lost }) => lost !== true);
}

/** Takes the end of a member out of the cursor of a suspended run, which gives it another turn. */
export function removeSettled(cursor: RunCursor, node: string): void {
  const ended = cursor.settled.filter((one) => one.node === node);
  cursor.settled = cursor.settled.filter((one) => one.node !== node);
  cursor.failures -= ended.filter(countsAsFailure).length;
}

/** Whether the end counts against the failure budget. That of a node in quarantine was known before the run. */
export function countsAsFailure({ outcome, workflowRunId, error }: CommonSettled): boolean {
  return outcome === 'failed' && !(workflowRunId === null && error?.type === 'HostKeyMismatch');
}

/** What may change while a member is being worked on. */
export interface PatchLimits {
  rebootsForbidden: boolean;
  window: RunWindow | null;
  /** Somebody has left the member out since it was started, and why. Absent: nobody has. */
  withdrawn?: string;
}

/** A node patch handed over by one run workflow to the next one of the same run. */
export interface HandedOverPatch {
  node: string;
  /** ISO 8601. */
  startedAt: string;
  /** Of the node patch. */
  workflowRunId: string;
  /** The node is unreachable after a change. Absent: the node is being patched. */
  lost?: true;
  /** The patch reports its end by itself. Absent: it has not been asked to, unless it is lost. */
  reportsEnd?: true;
  /** What it was last told. Absent: nothing. */
  told?: PatchLimits;
  /** It has not been allowed to take the node out of service. Absent: it has, or may do so. */
  inService?: true;
  /** Since when it waits to be allowed to, ISO 8601. Absent: it does not. */
  outageAskedAt?: string;
  /** What counts for the limits, of a node that has left the cluster since. Absent: as in the input of the run. */
  left?: Pick<PlacedMember, 'role' | 'zone' | 'stage'>;
}

/** The input of a run workflow; the policy discriminates the kinds. */
export type RunInput = NodeRunInput | NodeGroupRunInput;

export interface CommonRunInput {
  cluster: string;
  run: number;
  trigger: RunTrigger;
  startedAt: string;
  resumeFrom: RunCursor | null;
  /** Restrictions in force before the run workflow could receive a signal. */
  restrictions: RunRestrictions;
  /** Names of the search attributes to write. Absent: none. */
  searchAttributes?: string[];
  /** How long the members take, for a run whose window ends. Absent: a guess for each. */
  forecasts?: RunForecasts;
}

export interface NodeRunInput extends CommonRunInput {
  policy: NodeRunPolicy;
  /** In patching order. Frozen for the whole run. */
  nodes: NodeSpec[];
  /** Nodes of the cluster that the run does not patch, for the limit of unavailable nodes. Absent: none, or no such limit. */
  others?: NodeSpec[];
  /** Quarantined nodes, which count as failed unless they show a trusted host key again. Absent: none. */
  quarantined?: Record<string, NodeError>;
  /**
   * By node: the last reboot that did not clear its reasons, for which the node is not rebooted again. Absent: none.
   */
  ineffectiveReboots?: Record<string, IneffectiveReboot>;
}

export interface NodeGroupRunInput extends CommonRunInput {
  policy: NodeGroupRunPolicy;
  /** In update order. AWS has the rest. */
  nodes: { name: string }[];
}

export function isNodeRun(input: RunInput): input is NodeRunInput {
  return input.policy.kind === 'node';
}

/** The only changes that reach a run in progress; they apply to steps that have not started. */
export interface RunRestrictions {
  rebootsForbidden?: boolean;
  removedNodes?: string[];
  paused?: boolean;
  /** The history of the cluster is almost full: the next run workflow takes over, also what is in flight. */
  handOver?: boolean;
  /** Those of the run, also when somebody has changed them. Absent: as before. */
  limits?: RunLimits;
  /** Why members are left out, by name. Absent: as before. */
  skipped?: Record<string, string>;
  /** Why members are left out that may have been started, by name: as far as nothing was changed. Absent: as before. */
  withdrawn?: Record<string, string>;
  /** How often members were given another turn, by name. Absent: as before. */
  retried?: Record<string, number>;
  /** Locks on nodes of the run, by name. Absent: none. */
  locked?: Record<string, { why: string; untilMs: number | null }>;
  /** The window in which members may be started. Null: the run has no end. Absent: as before. */
  window?: RunWindow | null;
  /** Why the run was given up while suspended, a clause about it. */
  expired?: string;
  /** The run was cancelled while suspended, and only waits for its unreachable nodes. */
  cancelled?: boolean;
}

export interface RunResult {
  /** `suspended`: another workflow of the same run continues at `cursor`. */
  end: 'finished' | 'suspended';
  outcome: RunOutcome;
  cursor: RunCursor;
}

export interface NodeInWork {
  node: string;
  state: 'patching' | 'waiting';
  startedAt: string;
  workflowRunId: string | null;
  /**
   * Waits with its node in service, since then (ISO 8601), because too many others are out of service or alerts fire. Absent: it
   * does not.
   */
  outageAwaitedSince?: string;
  /** What it waits for then. Absent: other nodes. */
  outageAwaitedFor?: 'alerts';
  /** Task queue of the workers that reach the node. Absent: that of the workflows. */
  taskQueue?: string;
}

/** A changed node that is unreachable; it counts against the failure budget until it answers again. */
export interface LostNode {
  node: string;
  message: string;
  /** Of the node patch. */
  workflowRunId: string;
}

/** Where a run stands among its limits. */
export interface RunDetail {
  limits: RunLimits;
  /** Failures that count against `limits.maxFailures`. */
  failures: number;
  /** Members that are being patched; lost ones are not among them. */
  inFlightCount: number;
  /** Nodes that are unreachable after a change and still waited for. */
  lostCount: number;
  /** Members that have not been started. */
  waitingCount: number;
  /** The next of them, in order, at most 10. */
  upcoming: string[];
  /** What keeps the run from starting its next member; null: nothing, or there is none. */
  hold: RunHold | null;
  /** Since when, ISO 8601. Absent: nothing does. */
  holdSince?: string;
  /** Number of the stage that is open, from 1. */
  stage: number;
  stages: number;
  /** How long the soaks that are still to begin take in all, in milliseconds. */
  soakMs: number;
  /** When the window of the run ends, ISO 8601. Null: the run has no end. */
  windowEnd: string | null;
}

/** A node patch that is about to take its node out of service. */
export interface OutageRequest {
  node: string;
  /** Of the node patch. */
  workflowRunId: string;
}

/** Answer of the run workflow's `progress` query. */
export interface RunProgressPage extends RunDetail {
  run: number;
  total: number;
  done: number;
  /** Members that are being patched, at most 100. */
  inFlight: NodeInWork[];
  /** Nodes in progress beside those that have been unreachable for long, at most 100. */
  lost: NodeInWork[];
  /** A page of the settled nodes, in order. */
  settled: MemberSettled[];
  /** Start of the next page; null or absent: last page. */
  next?: number | null;
}

/** Changes since the last progress report of a run to its cluster. */
export interface RunProgress {
  run: number;
  /** Workflow id of the run, which distinguishes runs of an earlier cluster of the same name. */
  workflowId: string;
  settled: MemberSettled[];
  /** Nodes started since the last report. */
  started: string[];
  /** Absent: none. */
  lost?: LostNode[];
  /** The limit that has begun to hold the run up. Absent: none has since the last report. */
  held?: HoldReport;
  /** Results of the alert gate since the last report. Absent: none. */
  gates?: GateCounts;
}

/** The outcome of a run, derived from its nodes. */
export function runOutcome(settled: readonly CommonSettled[], cancelled: boolean): RunOutcome {
  if (cancelled) return 'cancelled';
  if (!settled.some((node) => node.outcome === 'failed')) {
    // Somebody has cancelled a node patch in Temporal, and not the run.
    return settled.some((node) => node.outcome === 'cancelled') ? 'cancelled' : 'succeeded';
  }
  return settled.some((node) => node.outcome === 'not-tried') ? 'stopped' : 'failed';
}

/** The end of a member that the run did not reach. */
export function notTried(kind: MemberKind, node: string, why: string): MemberSettled {
  const error = { type: 'NotTried', message: why } as const;
  const untouched = { node, outcome: 'not-tried', appliedAt: null, reading: null, error, workflowRunId: null } as const;
  return kind === 'node' ? { kind, ...untouched, packagesChanged: 0, reboots: 0 } : { kind, ...untouched };
}

/** The end of a member that failed without a record of its own. */
export function failedUnrecorded(
  kind: MemberKind,
  node: string,
  error: NodeError,
  workflowRunId: string | null = null,
): MemberSettled {
  return { ...notTried(kind, node, ''), outcome: 'failed', error, workflowRunId };
}

/** The end of a member that left the spec before its turn. */
export function skippedBecauseRemoved(kind: MemberKind, node: string): MemberSettled {
  return skipped(kind, node, `the ${memberName(kind)} was removed from the cluster before its turn`);
}

/** The same for one that somebody has left out. `why`: one clause. */
export function skipped(kind: MemberKind, node: string, why: string): MemberSettled {
  return { ...notTried(kind, node, why), outcome: 'skipped' };
}

/** The end of a quarantined node. */
export function leftInQuarantine(node: string, error: NodeError): MemberSettled {
  const message = `${node} is quarantined, and nobody logged in: ${error.message}`;
  return failedUnrecorded('node', node, toNodeError({ ...error, message }));
}

/**
 * The quarantined nodes of a run. A run requested for named nodes logs in to them: the request implies that
 * someone has checked the node, and its host key is still verified.
 */
export function quarantinedNodes(members: readonly MemberStatus[]): Record<string, NodeError> {
  return Object.fromEntries(
    members.filter(isNode).flatMap(({ name, quarantine }) => (quarantine === undefined ? [] : [[name, quarantine]])),
  );
}

export function ineffectiveReboots(members: readonly MemberStatus[]): Record<string, IneffectiveReboot> {
  return Object.fromEntries(
    members
      .filter(isNode)
      .flatMap(({ name, ineffectiveReboot }) => (ineffectiveReboot === undefined ? [] : [[name, ineffectiveReboot]])),
  );
}

/**
 * Minimum interval between progress reports: short enough to watch, long enough to keep the history of a long run
 * small.
 */
export function progressIntervalMs(elapsedMs: number): number {
  return Math.max(2_000, Math.round(elapsedMs / 250));
}

/** The failure message of a run in a workflow list; null when the run did not fail. */
export function runFailure(input: Pick<RunInput, 'cluster' | 'run' | 'policy'>, report: RunResult): string | null {
  if (report.end !== 'finished' || (report.outcome !== 'failed' && report.outcome !== 'stopped')) return null;
  const { settled } = report.cursor;
  const count = (outcome: string): number => settled.filter((one) => one.outcome === outcome).length;
  const first = settled.find((one) => one.outcome === 'failed' && one.error !== null);
  const cause =
    first === undefined || first.error === null ? '' : `, first ${failureSentence(first.node, first.error)}`;
  const notTriedCount = count('not-tried');
  const stopped = notTriedCount === 0 ? '' : `, ${notTriedCount} not tried`;
  const unit = memberName(input.policy.kind);
  return `run ${input.run} of ${input.cluster}: ${count('failed')} of ${settled.length} ${unit}s failed${stopped}${cause}`;
}
