import type { ErrorInfo } from '../shared/errors';
import { findBrokenUnits } from './failed-units';
import type { DrainRecord } from '../kubernetes/drain-record';
import type { NodeFacts, NodeStep, PackageChange, PatchPlan, PlanSummary, RestartReport } from './report';
import type { NodeOutcome, NodeReading, NodeSettled } from './status';
import { MAX_ERROR_MESSAGE, toNodeError } from './status';
import type { NodeWarning } from './warning';
import { MAX_STATUS_WARNINGS } from './warning';
import type { OutdatedCode } from './outdated';
import { runsOutdated } from './outdated';
import type { IneffectiveReboot } from './reboot';
import { plainText } from '../shared/text';
import { defined } from '../shared/defined';

/** Attempts at the package transaction: the first, and two after interruptions that were repaired. */
export const MAX_APPLY_ATTEMPTS = 3;

export interface StepRecord {
  step: NodeStep;
  startedAt: string;
  durationMs: number;
}

/** What the patch of any member of a cluster records. Times are ISO 8601. */
export interface CommonRecord {
  /** Its name. */
  node: string;
  run: number;
  outcome: NodeOutcome;
  startedAt: string;
  /** Empty until then. */
  endedAt: string;
  appliedAt: string | null;
  /** What a person should know of it, although it did not stop the patch. */
  warnings: NodeWarning[];
  steps: StepRecord[];
  error: ErrorInfo | null;
}

/** The full record of one node patch, which stands in the history of its own workflow. */
export interface NodePatchResult extends CommonRecord {
  kind: 'node';
  /** Names the jobs on the node: `<token>-<phase>-<attempt>`. */
  token: string;
  changes: PackageChange[];
  keptBack: PatchPlan['keptBack'];
  keptConfigFiles: string[];
  before: NodeSnapshot | null;
  after: NodeSnapshot | null;
  reboots: number;
  pendingUpdates: number | null;
  /** Why the node asked for a reboot at any moment of this patch. */
  rebootReasons: string[];
  /** Reasons for a reboot that the last one did not take away. Absent: none. */
  ineffectiveReboot?: IneffectiveReboot;
  /** Absent: the node was not to be drained. */
  drain?: DrainRecord;
  /** Services on replaced code: what was started anew, and what was not and why. Absent: nothing was tried. */
  restarts?: Pick<RestartReport, 'restarted' | 'skipped'>;
  /** The power-cycle hook was run; `error` says why the hook failed. */
  powerCycle?: { at: string; error: string | null };
}

/** What is compared before and after. */
export interface NodeSnapshot {
  at: string;
  osVersion: string;
  kernel: string;
  bootId: string;
  /** As the kernel shows it, where that is the one of a host. Absent: it is `bootId`. */
  kernelBootId?: string;
  machineId?: string;
  packageSetDigest: string;
  rebootRequired: boolean;
  /** What ran code that was replaced on disk. Absent: nothing. */
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

/** What a node needs after preflight. A reboot required from before is work of its own, when reboots are allowed. */
export function decidePatch(
  { pending }: Pick<PlanSummary, 'pending'>,
  rebootRequired: boolean,
  rebootAllowed: boolean,
): PatchDecision {
  if (pending > 0) return { do: 'apply' };
  if (!rebootRequired) return { do: 'nothing', outcome: 'up-to-date' };
  return rebootAllowed ? { do: 'reboot' } : { do: 'nothing', outcome: 'reboot-pending' };
}

/** What is wrong with a node after the work, compared with before; null = healthy. */
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

/** How far a node patch that failed had come. */
export interface WorkDone {
  packagesChanged: number;
  reboots: number;
  /** Default 0. */
  podsEvicted?: number;
  /** Without proof that it happened. */
  rebootRequested: boolean;
  /** A package transaction was begun and its end was never reported. */
  transactionOpen: boolean;
}

/** A failure as a person reads it first: what happened, and what was done to the node before. One sentence that fits. */
export function describeWorkDone(message: string, done: WorkDone): string {
  const clause = whatWasDone(done);
  return `${plainText(message, MAX_ERROR_MESSAGE - clause.length - 2)}; ${clause}`;
}

function whatWasDone({
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

/** The part of a node patch that the run and the cluster keep. `workflowRunId`: of the workflow that has the record. */
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
    ...defined({ ineffectiveReboot: result.ineffectiveReboot }),
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
    ...defined({ restartRequired: last.outdated === undefined ? undefined : (true as const) }),
    packageSetDigest: last.packageSetDigest,
    ...defined({ machineId: last.machineId }),
    warnings: result.warnings.slice(0, MAX_STATUS_WARNINGS),
  };
}
