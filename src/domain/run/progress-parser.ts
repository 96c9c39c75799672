/** Parsers for messages between the workflows of a run. Anybody may signal a workflow, so the input is untrusted. */
import type { GateCounts } from '../alerts/types';
import { GATE_RESULTS } from '../alerts/types';
import { parseHoldReport } from './hold-report';
import type { MemberSettled } from '../cluster/member';
import type { NodeGroupReading } from '../eks/status';
import type { NodeError, NodeReading } from '../node/status';
import { NODE_OUTCOMES, toNodeError } from '../node/status';
import { parseIneffectiveReboot } from '../node/reboot';
import { parseWarnings } from '../node/warning';
import { parseWork } from '../node/work';
import { ERROR_TYPES } from '../shared/errors';
import { plainText } from '../shared/text';
import { MAX_NODES, ON_EXCEEDED, ON_WINDOW_END } from '../spec/types';
import type { RunLimits } from './limits';
import { OTHER_ENDS } from './next-step';
import type { LostNode, OutageRequest, RunResult, RunProgress, RunRestrictions } from './run';
import type { RunWindow } from './window-end';
import { defined } from '../shared/defined';

/** Parses restrictions; null when there are none. */
export function parseRestrictions(value: unknown): RunRestrictions | null {
  if (typeof value !== 'object' || value === null) return null;
  const {
    rebootsForbidden,
    removedNodes,
    paused,
    handOver,
    limits,
    skipped,
    withdrawn,
    retried,
    locked,
    window,
    expired,
    cancelled,
  } = value as Record<string, unknown>;
  const names = Array.isArray(removedNodes) ? removedNodes.filter((name) => typeof name === 'string') : undefined;
  return {
    ...defined({
      rebootsForbidden: typeof rebootsForbidden === 'boolean' ? rebootsForbidden : undefined,
      removedNodes: names,
      paused: typeof paused === 'boolean' ? paused : undefined,
      handOver: typeof handOver === 'boolean' ? handOver : undefined,
      limits: parseLimits(limits) ?? undefined,
      skipped: recordOf(skipped, (why) => textOrNull(why, 300)),
      withdrawn: recordOf(withdrawn, (why) => textOrNull(why, 300)),
      retried: recordOf(retried, (times) => (isCount(times) ? times : null)),
      locked: recordOf(locked, parseLock),
      window: window === null ? null : (parseWindow(window) ?? undefined),
      expired: textOrNull(expired, 300) ?? undefined,
      cancelled: typeof cancelled === 'boolean' ? cancelled : undefined,
    }),
  };
}

/** Parses the limits of a run; null when malformed. */
function parseLimits(value: unknown): RunLimits | null {
  const one = toRecord(value);
  if (one === null) return null;
  const { concurrency, maxUnavailable, oneZoneAtATime, maxFailures, onExceeded } = one;
  if (!isCount(concurrency) || !isCount(maxFailures)) return null;
  if (maxUnavailable !== null && !isCount(maxUnavailable)) return null;
  const action = ON_EXCEEDED.find((known) => known === onExceeded);
  if (typeof oneZoneAtATime !== 'boolean' || action === undefined) return null;
  return { concurrency, maxUnavailable, oneZoneAtATime, maxFailures, onExceeded: action };
}

/** Parses the window of a run; null when malformed. */
export function parseWindow(value: unknown): RunWindow | null {
  const one = toRecord(value);
  const { endMs, cutoffMs, onEnd, by } = one ?? {};
  const action = ON_WINDOW_END.find((known) => known === onEnd);
  if (typeof endMs !== 'number' || (cutoffMs !== null && typeof cutoffMs !== 'number') || action === undefined)
    return null;
  return { endMs, cutoffMs, onEnd: action, ...defined({ by: OTHER_ENDS.find((known) => known === by) }) };
}

function parseLock(value: unknown): { why: string; untilMs: number | null } | null {
  const one = toRecord(value);
  const why = textOrNull(one?.['why'], 700);
  const untilMs = one?.['untilMs'];
  return why === null || (untilMs !== null && typeof untilMs !== 'number') ? null : { why, untilMs };
}

/** The entries of which `parse` makes something; undefined when the value has no entries. */
function recordOf<T>(value: unknown, parse: (field: unknown) => T | null): Record<string, T> | undefined {
  const record = toRecord(value);
  if (record === null) return undefined;
  const entries = Object.entries(record).slice(0, MAX_NODES);
  return Object.fromEntries(
    entries.flatMap(([name, field]) => {
      const parsed = parse(field);
      return parsed === null ? [] : [[name, parsed] as const];
    }),
  );
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0;
}

/** Parses the progress of run `run` from workflow `workflowId`; null when malformed or from another run. */
export function parseProgress(value: unknown, run: number, workflowId: string): RunProgress | null {
  const progress = toRecord(value);
  if (progress?.['run'] !== run || progress['workflowId'] !== workflowId) return null;
  if (!Array.isArray(progress['settled'])) return null;
  const settled = progress['settled'].slice(0, MAX_NODES).map(parseSettled);
  const lost = listOf(progress['lost']).map(parseLost);
  const held = parseHoldReport(progress['held']);
  const started = listOf(progress['started']).map((name) => textOrNull(name, 253));
  return {
    run,
    workflowId,
    settled: settled.filter((one) => one !== null),
    started: started.filter((name) => name !== null),
    lost: lost.filter((one) => one !== null),
    ...defined({ held: held ?? undefined, gates: parseGates(progress['gates']) }),
  };
}

function parseGates(value: unknown): GateCounts | undefined {
  const counts = toRecord(value);
  if (counts === null) return undefined;
  return Object.fromEntries(GATE_RESULTS.flatMap((one) => (isCount(counts[one]) ? [[one, counts[one]]] : [])));
}

/** Parses a node patch's report of a node unreachable after a change; null when malformed. */
export function parseLost(value: unknown): LostNode | null {
  const one = toRecord(value);
  const node = textOrNull(one?.['node'], 253);
  const message = textOrNull(one?.['message'], 500);
  const workflowRunId = textOrNull(one?.['workflowRunId'], 64);
  if (node === null || message === null || workflowRunId === null) return null;
  return { node, message, workflowRunId };
}

/** Parses a node patch's question before its outage; null when malformed. */
export function parseOutageRequest(value: unknown): OutageRequest | null {
  const one = toRecord(value);
  const node = textOrNull(one?.['node'], 253);
  const workflowRunId = textOrNull(one?.['workflowRunId'], 64);
  return node === null || workflowRunId === null ? null : { node, workflowRunId };
}

/** Parses the end of a node patch; null when malformed. */
export function parseSettled(value: unknown): MemberSettled | null {
  const one = toRecord(value);
  const node = textOrNull(one?.['node'], 253);
  const outcome = NODE_OUTCOMES.find((known) => known === one?.['outcome']);
  if (one === null || node === null || outcome === undefined) return null;
  const common = {
    node,
    outcome,
    appliedAt: timeOrNull(one['appliedAt']),
    error: parseError(one['error']),
    workflowRunId: textOrNull(one['workflowRunId'], 64),
    ...defined({ seconds: isCount(one['seconds']) ? one['seconds'] : undefined }),
  };
  if (one['kind'] === 'node-group') {
    return { kind: 'node-group', ...common, reading: parseNodeGroupReading(one['reading']) };
  }
  if (one['kind'] !== 'node') return null;
  const ineffectiveReboot = parseIneffectiveReboot(one['ineffectiveReboot']);
  return {
    kind: 'node',
    ...common,
    packagesChanged: numberOr(one['packagesChanged'], 0),
    reboots: numberOr(one['reboots'], 0),
    reading: parseReading(one['reading']),
    ...defined({
      pendingUpdates: typeof one['pendingUpdates'] === 'number' ? one['pendingUpdates'] : undefined,
      ineffectiveReboot: ineffectiveReboot ?? undefined,
      work: parseWork(one['work']),
      cordonedAt: timeOrNull(one['cordonedAt']) ?? undefined,
    }),
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
  return {
    ...{ at, osVersion, kernel, pendingUpdates, rebootRequired, packageSetDigest },
    ...defined({
      machineId: machineId ?? undefined,
      restartRequired: one?.['restartRequired'] === true || undefined,
      securityUpdates: isCount(one?.['securityUpdates']) ? one['securityUpdates'] : undefined,
      outdatedCount: isCount(one?.['outdatedCount']) ? one['outdatedCount'] : undefined,
    }),
    warnings: parseWarnings(one?.['warnings']),
  };
}

function parseNodeGroupReading(value: unknown): NodeGroupReading | null {
  const one = toRecord(value);
  const at = timeOrNull(one?.['at']);
  const release = textOrNull(one?.['release'], 200);
  const kubernetesVersion = textOrNull(one?.['kubernetesVersion'], 40);
  if (one === null || at === null || release === null || kubernetesVersion === null) return null;
  const health = Array.isArray(one['health']) ? one['health'].slice(0, 5) : [];
  return {
    ...{ at, release, kubernetesVersion },
    releaseBefore: textOrNull(one['releaseBefore'], 60),
    health: health.map((issue) => textOrNull(issue, 300)).filter((issue) => issue !== null),
    warnings: parseWarnings(one['warnings']),
  };
}

function parseError(value: unknown): NodeError | null {
  const one = toRecord(value);
  const type = ERROR_TYPES.find((known) => known === one?.['type']);
  const message = textOrNull(one?.['message'], 500);
  if (type === undefined || message === null) return null;
  const remedy = textOrNull(one?.['remedy'], 300);
  return toNodeError({ type, message, ...defined({ remedy: remedy ?? undefined }) });
}

/** Whether the value has the shape of a run result. */
export function isRunResult(value: unknown): value is RunResult {
  const report = toRecord(value);
  return (report?.['end'] === 'finished' || report?.['end'] === 'suspended') && toRecord(report['cursor']) !== null;
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value.slice(0, MAX_NODES) : [];
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
