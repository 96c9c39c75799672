import type { ErrorInfo } from '../shared/errors';
import { findBrokenUnits } from './failed-units';
import type { DrainRecord } from '../kubernetes/drain-record';
import type { NodeFacts, NodeStep, PackageChange, PatchPlan, PlanSummary, RestartReport } from './report';
import type { NodeOutcome, NodeReading, NodeSettled } from './status';
import { MAX_ERROR_MESSAGE, toNodeError } from './status';
import type { NodeWarning } from './warning';
import { MAX_STATUS_WARNINGS } from './warning';
import { workOf } from './work';
import type { OutdatedCode } from './outdated-code';
import { countOutdated, runsOutdated } from './outdated-code';
import type { IneffectiveReboot } from './reboot';
import { plainText } from '../shared/text';
import { defined } from '../shared/defined';

/** Attempts at the package transaction: the first, and two after repaired interruptions. */
export const MAX_APPLY_ATTEMPTS = 3;

export interface StepRecord {
  step: NodeStep;
  startedAt: string;
  durationMs: number;
}

/** The record of a patch of any member. Times are ISO 8601. */
export interface CommonRecord {
  /** Name of the member. */
  node: string;
  run: number;
  outcome: NodeOutcome;
  startedAt: string;
  /** Empty until the patch has ended. */
  endedAt: string;
  appliedAt: string | null;
  /** Findings that did not stop the patch. */
  warnings: NodeWarning[];
  steps: StepRecord[];
  error: ErrorInfo | null;
}

/** The full record of one node patch, kept in the history of its workflow. */
export interface NodePatchResult extends CommonRecord {
  kind: 'node';
  /** Prefix of the job ids on the node: `<token>-<phase>-<attempt>`. */
  token: string;
  changes: PackageChange[];
  keptBack: PatchPlan['keptBack'];
  keptConfigFiles: string[];
  before: NodeSnapshot | null;
  after: NodeSnapshot | null;
  reboots: number;
  pendingUpdates: number | null;
  /** Those of them that fix a security problem. Absent: not known. */
  securityUpdates?: number;
  /** All reboot reasons that the node reported during this patch. */
  rebootReasons: string[];
  /** Reboot reasons that the last reboot did not clear. Absent: none. */
  ineffectiveReboot?: IneffectiveReboot;
  /** What the patch waits for before it takes the node out of service. Absent: nothing. */
  waitingFor?: string;
  /** How long it has waited for that, in milliseconds. Absent: not at all. */
  waitedMs?: number;
  /** Absent: the node is not drained. */
  drain?: DrainRecord;
  /**
   * Services on outdated code: restarted ones, and skipped ones with the reason. Absent: no restarts were attempted.
   */
  restarts?: Pick<RestartReport, 'restarted' | 'skipped'>;
  /** The power-cycle hook was run; `error` is why the hook failed. */
  powerCycle?: { at: string; error: string | null };
}

/** The facts that are compared before and after. */
export interface NodeSnapshot {
  at: string;
  osVersion: string;
  kernel: string;
  bootId: string;
  /** The boot id that the kernel shows, in a container where it is the host's. Absent: same as `bootId`. */
  kernelBootId?: string;
  machineId?: string;
  packageSetDigest: string;
  rebootRequired: boolean;
  /** Outdated code. Absent: none. */
  outdated?: OutdatedCode;
}

export function snapshot(facts: NodeFacts, at: string): NodeSnapshot {
  return {
    at,
    osVersion: facts.osVersion,
    kernel: facts.kernelRunning,
    bootId: facts.bootId,
    ...defined({
      kernelBootId: facts.kernelBootId,
      machineId: typeof facts.machineId === 'string' ? facts.machineId : undefined,
    }),
    packageSetDigest: facts.packages.digest,
    rebootRequired: facts.reboot.required,
    ...defined({ outdated: facts.outdated !== undefined && runsOutdated(facts) ? facts.outdated : undefined }),
  };
}

export type PatchDecision =
  { do: 'nothing'; outcome: 'up-to-date' | 'reboot-pending' } | { do: 'apply' } | { do: 'reboot' };

/** What a node needs after preflight. A pending reboot is reason enough for a patch when reboots are allowed. */
export function decidePatch(
  { pending }: Pick<PlanSummary, 'pending'>,
  rebootRequired: boolean,
  rebootAllowed: boolean,
): PatchDecision {
  if (pending > 0) return { do: 'apply' };
  if (!rebootRequired) return { do: 'nothing', outcome: 'up-to-date' };
  return rebootAllowed ? { do: 'reboot' } : { do: 'nothing', outcome: 'reboot-pending' };
}

/** Damage to a node compared with before the patch; null = healthy. */
export function findDamage(node: string, before: NodeFacts, after: NodeFacts): ErrorInfo | null {
  if (after.packages.problems.length > 0) {
    return {
      type: 'PackagesBroken',
      message: `the package database of ${node} is not consistent: ${after.packages.problems.join('; ')}`,
      remedy: `log in to ${node} and repair it, then patch the node again`,
    };
  }
  return findBrokenUnits(node, before, after);
}

/** How far a failed node patch got. */
export interface WorkDone {
  packagesChanged: number;
  reboots: number;
  /** Default 0. */
  podsEvicted?: number;
  /** Not yet proven by a new boot id. */
  rebootRequested: boolean;
  /** A package transaction was started and its end was never reported. */
  transactionOpen: boolean;
}

/** Appends to a failure message what was done to the node before. One sentence within the size limit. */
export function describeWorkDone(message: string, done: WorkDone): string {
  const clause = workSummary(done);
  return `${plainText(message, MAX_ERROR_MESSAGE - clause.length - 2)}; ${clause}`;
}

function workSummary({
  packagesChanged,
  reboots,
  rebootRequested,
  transactionOpen,
  podsEvicted = 0,
}: WorkDone): string {
  if (transactionOpen) return 'what the package transaction has changed is not known yet';
  const parts: string[] = [];
  if (podsEvicted > 0) parts.push(podsEvicted === 1 ? '1 pod was evicted' : `${podsEvicted} pods were evicted`);
  if (packagesChanged > 0)
    parts.push(packagesChanged === 1 ? '1 package was changed' : `${packagesChanged} packages were changed`);
  if (reboots > 0) parts.push(`it was rebooted ${reboots === 1 ? 'once' : `${reboots} times`}`);
  if (rebootRequested) parts.push('a reboot was requested');
  return listed(parts) || 'nothing was changed';
}

function listed(parts: readonly string[]): string {
  return [...parts.slice(0, -2), parts.slice(-2).join(' and ')].join(', ');
}

/**
 * How long a patch took that has succeeded, in seconds, without the `waitedMs` for other members; undefined: it has not
 * succeeded.
 */
export function secondsOf({ outcome, startedAt, endedAt }: CommonRecord, waitedMs = 0): number | undefined {
  const succeeded = outcome === 'patched' || outcome === 'restart-pending' || outcome === 'reboot-pending';
  if (!succeeded || endedAt === '') return undefined;
  return Math.max(1, Math.ceil((Date.parse(endedAt) - Date.parse(startedAt) - waitedMs) / 1_000));
}

/**
 * The part of a node patch that the run and the cluster keep. `workflowRunId`: of the workflow that holds the record.
 */
export function toNodeSettled(result: NodePatchResult, workflowRunId: string | null): NodeSettled {
  return {
    kind: 'node',
    node: result.node,
    outcome: result.outcome,
    appliedAt: result.appliedAt,
    packagesChanged: result.changes.length,
    reboots: result.reboots,
    reading: toReading(result),
    ...defined({ pendingUpdates: result.pendingUpdates ?? undefined }),
    error: result.error === null ? null : toNodeError(result.error),
    ...defined({
      work: workOf(result),
      cordonedAt: result.drain?.cordonedAt,
      ineffectiveReboot: result.ineffectiveReboot,
      seconds: result.changes.length > 0 || result.reboots > 0 ? secondsOf(result, result.waitedMs) : undefined,
    }),
    workflowRunId,
  };
}

function toReading(result: NodePatchResult): NodeReading | null {
  const last = result.after ?? result.before;
  if (last === null) return null;
  return {
    at: last.at,
    osVersion: last.osVersion,
    kernel: last.kernel,
    pendingUpdates: result.pendingUpdates,
    rebootRequired: last.rebootRequired,
    ...defined({
      restartRequired: last.outdated === undefined ? undefined : (true as const),
      outdatedCount: countOutdated(last.outdated),
      securityUpdates: result.pendingUpdates === 0 ? 0 : result.securityUpdates,
    }),
    packageSetDigest: last.packageSetDigest,
    ...defined({ machineId: last.machineId }),
    warnings: result.warnings.slice(0, MAX_STATUS_WARNINGS),
  };
}
