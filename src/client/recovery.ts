/** Restarts a cluster whose workflow cannot go on, from its history or a backup. Needs no worker. */
import { WorkflowExecutionAlreadyStartedError, WorkflowNotFoundError } from '@temporalio/client';
import { setTimeout as sleep } from 'node:timers/promises';
import { WORKFLOW_TYPES, clusterWorkflowId, runWorkflowId } from '../contract/workflow-ids';
import type { PastEvent, PastMessage, RecoveryContext, RunInProgress } from '../domain/cluster/recovery';
import { readStartArgument, noteRecovery, recoverCluster } from '../domain/cluster/recovery';
import { newSchedule } from '../domain/cluster/schedule-state';
import type { ClusterState } from '../domain/cluster/state';
import type { PackedState } from '../domain/cluster/packed-state';
import { packState } from '../domain/cluster/packed-state';
import { OspatchError } from '../domain/shared/errors';
import { isRunResult } from '../domain/run/progress-parser';
import { validateSpecObject } from '../domain/spec/parse';
import { clusterStart } from './cluster-start';
import type { ClusterHealth } from './cluster-health';
import type { ClusterPast } from './cluster-history';
import { readClusterPast } from './cluster-history';
import { isOpen, isPausedOnServer } from './execution-status';
import { clusterNotFound } from './errors';
import { answerOf } from './node-records';
import { countPollers } from './pollers';
import { signedMessage } from './signed-message';
import type { TemporalCalls } from './temporal-calls';
import { defined } from '../domain/shared/defined';

export const BACKUP_API_VERSION = 'ospatch/v1';
export const BACKUP_KIND = 'ClusterBackup';

export interface ClusterBackup {
  apiVersion: typeof BACKUP_API_VERSION;
  kind: typeof BACKUP_KIND;
  cluster: string;
  namespace: string;
  /** ISO 8601. */
  takenAt: string;
  /** Task queue of the cluster's workflow. */
  taskQueue: string;
  /** The start argument of the workflow. */
  state: PackedState;
}

/** What a recovery will do. */
export interface RecoveryPlan {
  cluster: string;
  health: ClusterHealth;
  /** Start of the history, or time of the backup, from which the state is taken; ISO 8601. */
  stateOf: string;
  nodes: number;
  /** Later messages whose effect is kept. */
  kept: PastMessage[];
  /** Later messages that have to be sent again. */
  lost: PastMessage[];
  /** Ends with the workflow of its cluster: the nodes in progress are finished, no other is started. */
  run: RunInProgress | null;
}

export interface RecoverOptions {
  /** A backup to start from instead of the history. */
  backup?: ClusterBackup | null;
  /** How long to wait for a run in progress to end, in milliseconds. */
  waitMs: number;
  /** Aborts that wait. */
  signal?: AbortSignal;
}

export interface Recovered extends RecoveryPlan {
  /** Run id of the new execution. */
  runId: string;
  /** Whether the run in progress has ended, so that its results are in the state; null: there was none. */
  runEnded: boolean | null;
}

const CONTEXT: RecoveryContext = { checkSpec: validateSpecObject, runWorkflowId: runWorkflowId };

const LOOK_EVERY_MS = 1_000;
/** A run workflow with failing code does not end. */
const HOPELESS_ATTEMPT = 3;

/** @throws OspatchError `NotFound`, `Usage`, `Stuck` when the state is unreadable */
export async function planRecovery(
  calls: TemporalCalls,
  cluster: string,
  backup: ClusterBackup | null = null,
): Promise<RecoveryPlan> {
  const health = await calls.health(cluster);
  const past = health.state === 'absent' && backup !== null ? null : await readPast(calls, cluster, backup);
  if (past === null && backup === null) throw clusterNotFound({ ...calls.session, cluster });
  return { ...planOf(cluster, past, backup), health };
}

/**
 * Terminates the workflow of the cluster, waits for a run in progress, and restarts the cluster. If that is
 * interrupted, the cluster has ended and can be recovered again.
 *
 * @throws OspatchError as `planRecovery`; `Refused` when the cluster was started concurrently
 */
export async function recover(
  calls: TemporalCalls,
  cluster: string,
  by: string,
  { backup = null, waitMs, signal }: RecoverOptions,
): Promise<Recovered> {
  const { health } = await planRecovery(calls, cluster, backup);
  const before = health.state === 'absent' ? null : await readPast(calls, cluster, backup);
  if (before?.isOpen === true) await terminate(calls, cluster, before.runId, by);
  const runEnded = before?.runWorkflow
    ? await untilEnded(calls, before.runWorkflow, before.taskQueue, { waitMs, signal })
    : null;
  // Messages may have arrived until the end.
  const past = before === null ? null : await readPast(calls, cluster, backup);
  if (past !== null && runEnded === true && past.runWorkflow !== null)
    past.events.push(await endOfRun(calls, past.runWorkflow));
  const { state, ...plan } = planOf(cluster, past, backup);
  noteRecovery(state, by, backup === null ? null : backup.takenAt, new Date().toISOString());
  const runId = await start(calls, state, await taskQueueFor(calls, past?.taskQueue ?? backup?.taskQueue), by);
  // The run was in progress when the cluster ended, whatever its end.
  const run = plan.run ?? (before === null ? null : planOf(cluster, before, null).run);
  return { ...plan, run, health, runId, runEnded };
}

/** The state with which a cluster could be restarted now, and the message lists. */
export async function readRecoverable(
  calls: TemporalCalls,
  cluster: string,
): Promise<Omit<RecoveryPlan, 'health'> & { state: ClusterState; taskQueue: string }> {
  const past = await calls.call(cluster, () => readClusterPast(calls.session, cluster));
  return { ...planOf(cluster, past, null), taskQueue: past.taskQueue };
}

/** With a backup, the history is used only as far as it is readable. */
async function readPast(
  calls: TemporalCalls,
  cluster: string,
  backup: ClusterBackup | null,
): Promise<ClusterPast | null> {
  try {
    return await calls.call(cluster, () => readClusterPast(calls.session, cluster), calls.session.deadlineMs * 4);
  } catch (error) {
    if (backup !== null && error instanceof OspatchError && error.type === 'NotFound') return null;
    throw error;
  }
}

function planOf(
  cluster: string,
  past: ClusterPast | null,
  backup: ClusterBackup | null,
): Omit<RecoveryPlan, 'health'> & { state: ClusterState } {
  const now = new Date().toISOString();
  const argument = backup === null ? past?.startArgument : { state: backup.state };
  const base = readStartArgument(
    structuredClone(argument),
    cluster,
    past?.workflowBeganAt ?? now,
    validateSpecObject,
    past?.startedBy,
  );
  if (typeof base === 'string') throw unusable(cluster, base, backup !== null);
  if (backup === null) {
    const { state, kept, lost, run } = recoverCluster(base, past?.events ?? [], now, CONTEXT);
    const { nodes } = state;
    return { state, cluster, stateOf: past?.beganAt ?? now, nodes: nodes.length, kept, lost, run };
  }
  // Messages before the backup are part of it; later ones are listed and not executed again.
  const since = (past?.events ?? []).filter(({ at }) => at > backup.takenAt);
  const loss = past === null ? null : lostSince(cluster, past, since, now);
  return {
    ...{ state: restored(base, past, now), cluster, stateOf: backup.takenAt, nodes: base.nodes.length },
    ...{ kept: [], lost: loss?.lost ?? [], run: loss?.run ?? null },
  };
}

function lostSince(
  cluster: string,
  past: ClusterPast,
  since: readonly PastEvent[],
  now: string,
): { lost: PastMessage[]; run: RunInProgress | null } {
  const base = readStartArgument(
    structuredClone(past.startArgument),
    cluster,
    past.workflowBeganAt,
    validateSpecObject,
    past.startedBy,
  );
  if (typeof base === 'string') return { lost: [], run: null };
  const { run } = recoverCluster(structuredClone(base), past.events, now, CONTEXT);
  const { kept, lost } = recoverCluster(base, since, now, CONTEXT);
  return { lost: [...kept, ...lost].sort((a, b) => a.at.localeCompare(b.at)), run };
}

/** Windows and runs after the backup are unknown, so they neither count as missed nor run again. */
function restored(state: ClusterState, past: ClusterPast | null, now: string): ClusterState {
  const numbers = (past?.events ?? []).flatMap((one) => (one.kind === 'run-started' ? one.input.run : []));
  const schedule = newSchedule(now);
  return { ...state, schedule, nextRun: Math.max(state.nextRun, ...numbers.map((number) => number + 1)) };
}

function unusable(cluster: string, why: string, isBackup: boolean): OspatchError {
  return new OspatchError({
    type: isBackup ? 'Usage' : 'Stuck',
    message: isBackup
      ? `the backup cannot be used for cluster ${cluster}: ${why}`
      : `what the workflow of cluster ${cluster} was started with is not a usable state: ${why}`,
    remedy: isBackup
      ? 'name a file of `ospatch backup` of this cluster, of this version or an earlier one'
      : `use a backup: ospatch recover ${cluster} --from FILE; or discard its state: temporal workflow terminate --workflow-id ${clusterWorkflowId(cluster)}, then \`ospatch apply\` with --discard-history`,
  });
}

async function terminate(calls: TemporalCalls, cluster: string, runId: string, by: string): Promise<void> {
  const handle = calls.session.client.workflow.getHandle(clusterWorkflowId(cluster), runId);
  await calls.call(cluster, async () => {
    try {
      await handle.terminate(`ospatch recover, by ${by}`);
    } catch (error) {
      // The workflow has ended by itself meanwhile.
      if (!(error instanceof WorkflowNotFoundError)) throw error;
    }
  });
}

/** Temporal cancels the run workflow when its cluster ends. False when it does not end in time, or cannot. */
async function untilEnded(
  calls: TemporalCalls,
  { workflowId, runId }: NonNullable<ClusterPast['runWorkflow']>,
  taskQueue: string,
  { waitMs, signal }: { waitMs: number; signal: AbortSignal | undefined },
): Promise<boolean> {
  const { client, namespace } = calls.session;
  const until = Date.now() + waitMs;
  for (;;) {
    const { workflowExecutionInfo, pendingWorkflowTask } = await calls.call(null, () =>
      client.workflowService.describeWorkflowExecution({ namespace, execution: { workflowId, runId } }),
    );
    const status = workflowExecutionInfo?.status ?? 0;
    if (!isOpen(status)) return true;
    const isHopeless =
      isPausedOnServer(status) ||
      (pendingWorkflowTask?.attempt ?? 1) >= HOPELESS_ATTEMPT ||
      (taskQueue === calls.session.taskQueue && !(await calls.hasWorker()));
    if (signal?.aborted === true || isHopeless || Date.now() >= until) return false;
    await sleep(LOOK_EVERY_MS, undefined, defined({ signal })).catch(() => undefined);
  }
}

/**
 * The previous task queue, unless only this command's task queue has workers because `OSPATCH_TASK_QUEUE` was changed.
 */
async function taskQueueFor(calls: TemporalCalls, before: string | undefined): Promise<string> {
  const { session } = calls;
  const { taskQueue } = session;
  if (before === undefined || before === taskQueue) return taskQueue;
  const [there, here] = await Promise.all(
    [before, taskQueue].map((queue) => calls.call(null, () => countPollers(session, queue, 'workflows'))),
  );
  return there === 0 && here !== undefined && here > 0 ? taskQueue : before;
}

async function endOfRun(
  calls: TemporalCalls,
  { run, workflowId, runId }: NonNullable<ClusterPast['runWorkflow']>,
): Promise<PastEvent> {
  const handle = calls.session.client.workflow.getHandle(workflowId, runId, { followRuns: false });
  const report = await calls.call(null, () => answerOf(handle)).catch(() => null);
  const at = new Date().toISOString();
  return { kind: 'run-ended', at, run, report: isRunResult(report) ? report : null };
}

/** With the sender and, where requests are signed, a signature. */
async function startArgument(
  { session: { sign, namespace } }: TemporalCalls,
  state: ClusterState,
  by: string,
): Promise<{ state: PackedState; by: string }> {
  const argument = { state: packState(state), by };
  if (sign === undefined) return argument;
  return signedMessage({ namespace, cluster: state.spec.name, verb: 'recover' }, argument, sign);
}

async function start(calls: TemporalCalls, state: ClusterState, taskQueue: string, by: string): Promise<string> {
  const { spec, createdAt } = state;
  const argument = await startArgument(calls, state, by);
  try {
    const handle = await calls.call(spec.name, () =>
      calls.session.client.workflow.start(WORKFLOW_TYPES.cluster, {
        ...clusterStart(spec, taskQueue),
        args: [argument],
        workflowIdConflictPolicy: 'FAIL',
        memo: { type: spec.type, createdAt },
      }),
    );
    return handle.firstExecutionRunId;
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined;
    const isStarted = [error, cause].some((one) => one instanceof WorkflowExecutionAlreadyStartedError);
    if (!isStarted) throw error;
    const message = `somebody else has started cluster ${spec.name} meanwhile`;
    throw new OspatchError(
      { type: 'Refused', message, remedy: `see \`ospatch status ${spec.name}\`` },
      { cause: error },
    );
  }
}
