import type { MemberKind, MemberSettled, MemberStatus } from '../cluster/member';
import { isNode, memberName } from '../cluster/member';
import type { EksAccess } from '../eks/policy';
import type { CommonSettled, NodeError } from '../node/status';
import { failureSentence, toNodeError } from '../node/status';
import type { KubernetesPolicy } from '../kubernetes/types';
import type { PackagePolicy } from '../spec/package-policy';
import type { IneffectiveReboot } from '../node/reboot';
import type { RestartPolicy } from '../spec/restart-policy';
import type { NodeRole, NodeSpec, OnFailure, RolloutOrder } from '../spec/types';

export const RUN_TRIGGERS = ['boot', 'schedule', 'on-demand'] as const;
export type RunTrigger = (typeof RUN_TRIGGERS)[number];

/** `failed`: at least one node failed. `stopped`: the failure budget was spent and nodes were not tried. */
export type RunOutcome = 'succeeded' | 'failed' | 'stopped' | 'cancelled';

/** A run workflow hands over to the next one of the same run after this many nodes, to keep its history bounded. */
export const NODES_PER_RUN_WORKFLOW = 400;

/** What a run was started with. It keeps these, whatever the spec says later, except for the {@link RunRestrictions}s. */
export type RunPolicy = NodeRunPolicy | NodeGroupRunPolicy;

interface CommonRunPolicy {
  onFailure: OnFailure;
  /** Task queue of the workers that reach the nodes, or AWS; a node may have its own. Absent: that of the workflows. */
  taskQueue?: string;
}

export interface NodeRunPolicy extends CommonRunPolicy {
  kind: 'node';
  rebootIfRequired: boolean;
  /** Program on the node that reboots it; default: systemd. */
  rebootCommand?: string;
  /** What is done about services that run replaced code. Absent: nothing. */
  restartServices?: RestartPolicy;
  /** Run on the worker when a node has not come back for `afterMs` after its reboot. */
  powerCycle?: { hook: string; afterMs: number };
  withoutDrain: boolean;
  /** Packages are downloaded before a node is drained. */
  prefetch: boolean;
  unreachableTimeoutMs: number;
  /** How long locks of other programs on a node are waited for. Absent: 2 hours. */
  lockTimeoutMs?: number;
  /** Runs of versions before this field do not have it; they take the defaults. */
  packages?: PackagePolicy;
  /** How nodes are drained. Absent: they are not. */
  kubernetes?: KubernetesPolicy;
}

export interface NodeGroupRunPolicy extends CommonRunPolicy {
  kind: 'node-group';
  access: EksAccess;
  force: boolean;
  launchTemplates?: boolean;
  /** Nobody named the groups, so one that cannot be updated is passed over instead of failing the run. */
  skipRefused: boolean;
}

/** Where a run goes on that was suspended. */
export interface RunCursor {
  settled: MemberSettled[];
  /** Failures counted against the failure budget so far. */
  failures: number;
  /** Node patches that go on without a run workflow because their nodes are unreachable. Absent: none. */
  lost?: LostInRun[];
}

/** Takes the ends of lost nodes into the cursor of a suspended run. */
export function settleLost(cursor: RunCursor, settled: readonly MemberSettled[]): void {
  const { lost = [] } = cursor;
  const ended = settled.filter(({ node }) => lost.some((one) => one.node === node));
  cursor.settled = [...cursor.settled, ...ended];
  cursor.failures += ended.filter(({ outcome }) => outcome === 'failed').length;
  cursor.lost = lost.filter(({ node }) => !ended.some((one) => one.node === node));
}

/** A node patch that one run workflow has left to the next one of the same run. */
export interface LostInRun {
  node: string;
  /** ISO 8601. */
  startedAt: string;
  /** Of the node patch. */
  workflowRunId: string;
}

/** What a run is started with; its policy says which of the two it is. */
export type RunInput = NodeRunInput | NodeGroupRunInput;

export interface CommonRunInput {
  cluster: string;
  run: number;
  trigger: RunTrigger;
  startedAt: string;
  resumeFrom: RunCursor | null;
  /** What was forbidden before the run workflow could get a signal. */
  restrictions: RunRestrictions;
  /** Names of the search attributes that may be written. Absent: none. */
  searchAttributes?: string[];
}

export interface NodeRunInput extends CommonRunInput {
  policy: NodeRunPolicy;
  /** In the order in which they are patched. Frozen for the whole run. */
  nodes: NodeSpec[];
  /** Nodes in quarantine, which count as failed and are not connected to. Absent: none. */
  quarantined?: Record<string, NodeError>;
  /** By node: what its last reboot did not remedy, for which it is not rebooted again. Absent: nothing. */
  ineffectiveReboots?: Record<string, IneffectiveReboot>;
}

export interface NodeGroupRunInput extends CommonRunInput {
  policy: NodeGroupRunPolicy;
  /** In the order in which they are updated. AWS has the rest. */
  nodes: { name: string }[];
}

export function isNodeRun(input: RunInput): input is NodeRunInput {
  return input.policy.kind === 'node';
}

/** The only changes that reach a run in progress; each counts for steps that have not started. */
export interface RunRestrictions {
  rebootsForbidden?: boolean;
  removedNodes?: string[];
  paused?: boolean;
  /** The history of the cluster is about to be full: the next run workflow takes over after the node in work. */
  handOver?: boolean;
  /** The run was cancelled while it was suspended, and only waits for its lost nodes. */
  cancelled?: boolean;
}

export interface RunResult {
  /** `suspended`: another workflow of the same run goes on at `cursor`. */
  end: 'finished' | 'suspended';
  outcome: RunOutcome;
  cursor: RunCursor;
}

export interface NodeInWork {
  node: string;
  state: 'patching' | 'waiting';
  startedAt: string;
  workflowRunId: string | null;
  /** Task queue of the workers that reach the node. Absent: that of the workflows. */
  taskQueue?: string;
}

/** A node that a run has begun to change and cannot reach; it counts against the failure budget until it is back. */
export interface LostNode {
  node: string;
  message: string;
  /** Of the node patch. */
  workflowRunId: string;
}

/** Answer of the run workflow's `progress` query. */
export interface RunProgressPage {
  run: number;
  total: number;
  done: number;
  current: NodeInWork | null;
  /** Nodes that are waited for beside the current one, because they have been unreachable for long. */
  lost?: NodeInWork[];
  /** A part of those that have settled, in their order. */
  settled: MemberSettled[];
  /** Where the next part begins; null or absent: this is the last one. */
  next?: number | null;
}

/** What a run reports to its cluster since its last report. */
export interface RunProgress {
  run: number;
  /** Workflow id of the run: one that an earlier cluster of the same name has left behind has another. */
  workflowId: string;
  settled: MemberSettled[];
  /** Nodes that are in work now and were not before. */
  started: string[];
  /** Absent: none. */
  lost?: LostNode[];
}

/** The order in which a run takes its nodes: by role, then as they stand in the spec. */
export function orderNodes(nodes: readonly NodeSpec[], order: RolloutOrder): NodeSpec[] {
  const first: NodeRole = order === 'workers-first' ? 'worker' : 'control-plane';
  return [...nodes.filter((node) => node.role === first), ...nodes.filter((node) => node.role !== first)];
}

/** Whether a run goes on to its next node after `failures` failed ones. */
export function withinBudget(failures: number, onFailure: OnFailure): boolean {
  return onFailure === 'continue' || failures === 0;
}

/** How a run ended, from how its nodes ended. */
export function runOutcome(settled: readonly CommonSettled[], cancelled: boolean): RunOutcome {
  if (cancelled) return 'cancelled';
  if (!settled.some((node) => node.outcome === 'failed')) return 'succeeded';
  return settled.some((node) => node.outcome === 'not-tried') ? 'stopped' : 'failed';
}

/** How a node or node group is settled that a run ended without reaching. */
export function notTried(kind: MemberKind, node: string, why: string): MemberSettled {
  const error = { type: 'NotTried', message: why } as const;
  const untouched = { node, outcome: 'not-tried', appliedAt: null, reading: null, error, workflowRunId: null } as const;
  return kind === 'node' ? { kind, ...untouched, packagesChanged: 0, reboots: 0 } : { kind, ...untouched };
}

/** The same for one that failed with no record of its own. */
export function failedUnrecorded(
  kind: MemberKind,
  node: string,
  error: NodeError,
  workflowRunId: string | null = null,
): MemberSettled {
  return { ...notTried(kind, node, ''), outcome: 'failed', error, workflowRunId };
}

/** The same for one that left the spec before its turn. */
export function skippedBecauseRemoved(kind: MemberKind, node: string): MemberSettled {
  const why = `the ${memberName(kind)} was removed from the cluster before its turn`;
  return { ...notTried(kind, node, why), outcome: 'skipped' };
}

/** The record of a node that is not connected to because it showed another host key before. */
export function leftInQuarantine(node: string, error: NodeError): MemberSettled {
  const message = `${node} is quarantined and was not contacted: ${error.message}`;
  return failedUnrecorded('node', node, toNodeError({ ...error, message }));
}

/**
 * The nodes of a run that stay in quarantine. A run that somebody requested by name connects to them: whoever names a
 * node has looked at it, and its host key is verified all the same.
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

/** Progress is reported at most this often: often enough to watch, rarely enough that a long run stays a small history. */
export function progressIntervalMs(elapsedMs: number): number {
  return Math.max(2_000, Math.round(elapsedMs / 250));
}

/** Why a run has failed, for a list of workflows; null when it did not fail. */
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
