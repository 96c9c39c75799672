import type { EksRunPolicy, NodegroupReading } from '../eks/node-groups';
import { ERROR_TYPES } from '../shared/errors';
import type { NodeError, NodeReading, NodeSettled, NodeStatus } from '../node/status';
import { NODE_OUTCOMES, toNodeError } from '../node/status';
import { parseWarnings } from '../node/warning';
import type { KubernetesPolicy } from '../kubernetes/types';
import type { PackagePolicy } from '../spec/package-policy';
import type { UncuredReboot } from '../node/reboot';
import { parseUncured } from '../node/reboot';
import type { RestartPolicy } from '../spec/restart-policy';
import type { NodeRole, NodeSpec, OnFailure, RolloutOrder } from '../spec/types';
import { MAX_NODES } from '../spec/types';
import { plainText } from '../shared/text';

export const RUN_TRIGGERS = ['boot', 'schedule', 'on-demand'] as const;
export type RunTrigger = (typeof RUN_TRIGGERS)[number];

/** `failed`: at least one node failed. `stopped`: the failure budget was spent and nodes were not tried. */
export type RunOutcome = 'succeeded' | 'failed' | 'stopped' | 'cancelled';

/** A rollout hands over to the next one of the same run number after this many nodes, to keep its history bounded. */
export const NODES_PER_ROLLOUT = 400;

/** What a run was started with. It keeps these, whatever the spec says later, except for the {@link RunRestrictions}s. */
export interface RunPolicy {
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
  onFailure: OnFailure;
  unreachableTimeoutMs: number;
  /** How long locks of other programs on a node are waited for. Absent: 2 hours. */
  lockTimeoutMs?: number;
  /** Runs of versions before this field do not have it; they take the defaults. */
  packages?: PackagePolicy;
  /** How nodes are drained. Absent: they are not. */
  kubernetes?: KubernetesPolicy;
  /** Task queue of the workers that reach the nodes; a node may have its own. Absent: that of the workflows. */
  taskQueue?: string;
  /** Node groups of EKS take the place of nodes. Absent: nodes. */
  eks?: EksRunPolicy;
}

/** Where a run goes on that was put down. */
export interface RunCursor {
  settled: NodeSettled[];
  /** Failures counted against the failure budget so far. */
  failures: number;
}

/** What a run knows of a node group: AWS has the rest. */
export interface NodeGroupName {
  name: string;
  /** AWS is asked by the workers of the whole cluster. */
  taskQueue?: never;
}

/** What a run works on, in the words of its people. */
export function unitOf(policy: RunPolicy): 'node' | 'node group' {
  return policy.eks === undefined ? 'node' : 'node group';
}

export interface RolloutInput {
  cluster: string;
  run: number;
  trigger: RunTrigger;
  startedAt: string;
  /** In the order in which they are patched. Frozen for the whole run. */
  nodes: (NodeSpec | NodeGroupName)[];
  policy: RunPolicy;
  resumeFrom: RunCursor | null;
  /** What has been forbidden before the rollout could be told by signal. */
  tightening: RunRestrictions;
  /** Nodes in quarantine, which count as failed and are not connected to. Absent: none. */
  quarantined?: Record<string, NodeError>;
  /** By node: what its last reboot did not remedy, for which it is not rebooted again. Absent: nothing. */
  uncuredReboots?: Record<string, UncuredReboot>;
}

/** The only changes that reach a run in progress; each counts for steps that have not started. */
export interface RunRestrictions {
  rebootsForbidden?: boolean;
  removedNodes?: string[];
  paused?: boolean;
}

export interface RolloutReport {
  /** `suspended`: put down at `cursor`, to be picked up by another rollout of the same run. */
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
}

/** Answer of the rollout's `progress` query. */
export interface RolloutProgress {
  run: number;
  total: number;
  done: number;
  current: NodeInWork | null;
  /** Nodes that are waited for beside the current one, because they have been unreachable for long. */
  lost?: NodeInWork[];
  settled: NodeSettled[];
}

/** What a rollout tells its cluster while it runs. */
export interface RunProgress {
  run: number;
  /** Workflow id of the run: one that an earlier cluster of the same name has left behind has another. */
  workflowId: string;
  settled: NodeSettled[];
  current: string | null;
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
export function runOutcome(settled: readonly NodeSettled[], cancelled: boolean): RunOutcome {
  if (cancelled) return 'cancelled';
  if (!settled.some((node) => node.outcome === 'failed')) return 'succeeded';
  return settled.some((node) => node.outcome === 'not-tried') ? 'stopped' : 'failed';
}

/** The record of a node that a run ended without reaching. */
export function notTried(node: string, why: string): NodeSettled {
  return {
    node,
    outcome: 'not-tried',
    appliedAt: null,
    packagesChanged: 0,
    reboots: 0,
    reading: null,
    error: { type: 'NotTried', message: why },
    workflowRunId: null,
  };
}

/** The record of a node that left the spec before its turn. */
export function skippedBecauseRemoved(node: string, unit = 'node'): NodeSettled {
  return { ...notTried(node, `the ${unit} was removed from the cluster before its turn`), outcome: 'skipped' };
}

/** The record of a node that is not connected to because it showed another host key before. */
export function leftInQuarantine(node: string, error: NodeError): NodeSettled {
  const message = `${node} is in quarantine and was not connected to: ${error.message}`;
  return { ...notTried(node, ''), outcome: 'failed', error: toNodeError({ ...error, message }) };
}

/**
 * The nodes of a run that stay in quarantine. A run that somebody requested by name connects to them: whoever names a
 * node has looked at it, and its host key is verified all the same.
 */
export function quarantinedNodes(nodes: readonly NodeStatus[]): Record<string, NodeError> {
  return Object.fromEntries(
    nodes.flatMap(({ name, quarantine }) => (quarantine === undefined ? [] : [[name, quarantine]])),
  );
}

export function uncuredReboots(nodes: readonly NodeStatus[]): Record<string, UncuredReboot> {
  return Object.fromEntries(
    nodes.flatMap(({ name, uncuredReboot }) => (uncuredReboot === undefined ? [] : [[name, uncuredReboot]])),
  );
}

/** News is sent at most this often: often enough to watch, rarely enough that a long run stays a small history. */
export function newsIntervalMs(elapsedMs: number): number {
  return Math.max(2_000, Math.round(elapsedMs / 250));
}

/** Reads a tightening from whatever was sent; null when it is none. Anybody may signal a workflow. */
export function parseTightening(value: unknown): RunRestrictions | null {
  if (typeof value !== 'object' || value === null) return null;
  const { rebootsForbidden, removedNodes, paused } = value as Record<string, unknown>;
  const names = Array.isArray(removedNodes) ? removedNodes.filter((name) => typeof name === 'string') : undefined;
  return {
    ...(typeof rebootsForbidden === 'boolean' ? { rebootsForbidden } : {}),
    ...(names === undefined ? {} : { removedNodes: names }),
    ...(typeof paused === 'boolean' ? { paused } : {}),
  };
}

/**
 * Reads news of run `run`, which is workflow `workflowId`, from whatever was sent; null when it is none. What is kept of it
 * has the types it claims.
 */
export function parseProgress(value: unknown, run: number, workflowId: string): RunProgress | null {
  const news = toRecord(value);
  if (news === null || news['run'] !== run || news['workflowId'] !== workflowId) return null;
  if (!Array.isArray(news['settled'])) return null;
  const settled = news['settled'].slice(0, MAX_NODES).map(parseSettled);
  const lost = Array.isArray(news['lost']) ? news['lost'].slice(0, MAX_NODES).map(parseLost) : [];
  return {
    run,
    workflowId,
    settled: settled.filter((one) => one !== null),
    current: textOrNull(news['current'], 253),
    lost: lost.filter((one) => one !== null),
  };
}

/** Reads what a node patch says of a node it cannot reach, from whatever was sent; null when it is nothing of the kind. */
export function parseLost(value: unknown): LostNode | null {
  const one = toRecord(value);
  const node = textOrNull(one?.['node'], 253);
  const message = textOrNull(one?.['message'], 500);
  return node === null || message === null ? null : { node, message };
}

function parseSettled(value: unknown): NodeSettled | null {
  const one = toRecord(value);
  const node = textOrNull(one?.['node'], 253);
  const outcome = NODE_OUTCOMES.find((known) => known === one?.['outcome']);
  if (one === null || node === null || outcome === undefined) return null;
  const uncuredReboot = parseUncured(one['uncuredReboot']);
  return {
    node,
    outcome,
    appliedAt: timeOrNull(one['appliedAt']),
    packagesChanged: numberOr(one['packagesChanged'], 0),
    reboots: numberOr(one['reboots'], 0),
    reading: parseReading(one['reading']),
    ...(typeof one['pendingUpdates'] === 'number' ? { pendingUpdates: one['pendingUpdates'] } : {}),
    error: parseError(one['error']),
    ...(uncuredReboot === null ? {} : { uncuredReboot }),
    workflowRunId: textOrNull(one['workflowRunId'], 64),
  };
}

function parseReading(value: unknown): NodeReading | null {
  const one = toRecord(value);
  const at = timeOrNull(one?.['at']);
  const osVersion = textOrNull(one?.['osVersion'], 200);
  const kernel = textOrNull(one?.['kernel'], 200);
  const packageSetDigest = textOrNull(one?.['packageSetDigest'], 100);
  const rebootRequired = one?.['rebootRequired'];
  if (at === null || osVersion === null || kernel === null || packageSetDigest === null) return null;
  if (typeof rebootRequired !== 'boolean') return null;
  const pending = one?.['pendingUpdates'];
  const pendingUpdates = typeof pending === 'number' ? pending : null;
  const machineId = textOrNull(one?.['machineId'], 64);
  const nodeGroup = parseNodegroup(one?.['nodeGroup']);
  return {
    ...{ at, osVersion, kernel, pendingUpdates, rebootRequired, packageSetDigest },
    ...(machineId === null ? {} : { machineId }),
    ...(one?.['restartRequired'] === true ? { restartRequired: true } : {}),
    warnings: parseWarnings(one?.['warnings']),
    ...(nodeGroup === null ? {} : { nodeGroup }),
  };
}

function parseNodegroup(value: unknown): NodegroupReading | null {
  const one = toRecord(value);
  const version = textOrNull(one?.['version'], 40);
  if (one === null || version === null) return null;
  const health = Array.isArray(one['health']) ? one['health'].slice(0, 5) : [];
  return {
    version,
    releaseBefore: textOrNull(one['releaseBefore'], 60),
    health: health.map((issue) => textOrNull(issue, 300)).filter((issue) => issue !== null),
  };
}

function parseError(value: unknown): NodeError | null {
  const one = toRecord(value);
  const type = ERROR_TYPES.find((known) => known === one?.['type']);
  const message = textOrNull(one?.['message'], 500);
  if (type === undefined || message === null) return null;
  const remedy = textOrNull(one?.['remedy'], 300);
  return toNodeError({ type, message, ...(remedy === null ? {} : { remedy }) });
}

function toRecord(value: unknown): Record<string, unknown> | null {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
}

function textOrNull(value: unknown, max: number): string | null {
  return typeof value === 'string' ? plainText(value, max) : null;
}

function timeOrNull(value: unknown): string | null {
  return typeof value === 'string' && !Number.isNaN(Date.parse(value)) ? plainText(value, 40) : null;
}

function numberOr(value: unknown, otherwise: number): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : otherwise;
}
