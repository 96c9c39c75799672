/** Whether the workflow of a cluster makes progress, determined from Temporal alone, without a worker. */
import {
  decodeArrayFromPayloads,
  decodeOptionalFailureToOptionalError,
} from '@temporalio/common/lib/internal-non-workflow';
import { temporal } from '@temporalio/proto';
import { clusterWorkflowId } from '../contract/workflow-ids';
import type { HowEnded, StuckCause, StuckCluster } from '../domain/inspection/stuck';
import { describeStuck, isUnreadablePayload } from '../domain/inspection/stuck';
import { isOspatchError } from '../domain/shared/errors';
import type { TemporalSession } from './connection';
import { orNull } from './not-found';
import { isPausedOnServer } from './execution-status';
import { countPollers } from './pollers';

type Event = temporal.api.history.v1.IHistoryEvent;
type Failure = temporal.api.failure.v1.IFailure;
type Execution = temporal.api.common.v1.IWorkflowExecution;
type Described = temporal.api.workflowservice.v1.IDescribeWorkflowExecutionResponse;
type Time = { seconds?: unknown } | null | undefined;

/** `absent`: Temporal has no such workflow (any longer), or it never had a valid spec. */
export type ClusterHealth = { state: 'running' | 'removed' | 'absent' } | { state: 'stuck'; stuck: StuckCluster };

/** The end of a workflow task is among the last events, unless more messages than this have arrived since. */
const LAST_EVENTS = 100;

/** A worker killed during a workflow task makes the task time out once; the next worker may be killed too. */
const TIMED_OUT_ATTEMPTS = 3;

const { WorkflowExecutionStatus, WorkflowTaskFailedCause, EventType } = temporal.api.enums.v1;

/** Task failures of normal operation, which are retried at once. */
const HARMLESS: readonly (number | null | undefined)[] = [
  WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND,
  WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_STICKY_TASK_QUEUE,
  WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_FORCE_CLOSE_COMMAND,
];

const HOW_ENDED: ReadonlyMap<number, HowEnded> = new Map([
  [WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TERMINATED, 'terminated'],
  [WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_FAILED, 'failed'],
  [WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TIMED_OUT, 'timed-out'],
  [WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_CANCELED, 'cancelled'],
  [WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_COMPLETED, 'completed'],
]);

/** At most three requests to Temporal. Throws the client's errors, except for a missing workflow. */
export async function readHealth(session: TemporalSession, cluster: string): Promise<ClusterHealth> {
  const described = await describeOrNull(session, cluster);
  const { status, execution, closeTime, memo } = described?.workflowExecutionInfo ?? {};
  if (described === null || !execution || !status) return { state: 'absent' };
  const stuck = (obstacle: StuckCause): ClusterHealth => ({ state: 'stuck', stuck: describeStuck(cluster, obstacle) });
  const how = HOW_ENDED.get(status);
  if (how === undefined) {
    const obstacle = await readObstacle(session, described);
    return obstacle === null ? { state: 'running' } : stuck(obstacle);
  }
  if (how === 'completed' && (await wasRemoved(session, memo))) return { state: 'removed' };
  const end = await orNull(closingFailure(session, execution));
  // The deletion has completed meanwhile.
  if (end === null) return { state: 'absent' };
  if (end.neverBegan) return { state: 'absent' };
  return stuck({ kind: 'ended', how, at: timeOf(closeTime), message: end.message });
}

/** Why an open workflow makes no progress; null when it does. */
export async function readObstacle(session: TemporalSession, described: Described): Promise<StuckCause | null> {
  const { status, execution, taskQueue } = described.workflowExecutionInfo ?? {};
  if (!status || !execution || HOW_ENDED.has(status)) return null;
  if (isPausedOnServer(status)) {
    return { kind: 'paused-on-server', ...pauseOf(described.workflowExtendedInfo?.pauseInfo) };
  }
  const paused = described.pendingActivities?.find((one) => one.paused === true);
  if (paused) {
    const { pauseInfo, activityType, activityId } = paused;
    const manual = { ...pauseInfo?.manual, pausedTime: pauseInfo?.pauseTime };
    const names = { activity: activityType?.name ?? '', activityId: activityId ?? '' };
    return { kind: 'activity-paused', ...names, ...pauseOf(manual) };
  }
  const attempt = described.pendingWorkflowTask?.attempt ?? 1;
  const failure = attempt < 2 ? null : await taskBlocker(session, execution, attempt);
  if (failure !== null) return failure;
  // The caller knows whether workers poll the usual task queue.
  if (!taskQueue || taskQueue === session.taskQueue) return null;
  return (await countPollers(session, taskQueue, 'workflows')) > 0 ? null : { kind: 'no-worker', taskQueue };
}

function pauseOf(pause: { identity?: string | null; reason?: string | null; pausedTime?: Time } | null | undefined): {
  by: string | null;
  at: string | null;
  reason: string | null;
} {
  return { by: pause?.identity || null, at: timeOf(pause?.pausedTime), reason: pause?.reason || null };
}

function timeOf(at: Time): string | null {
  return at?.seconds ? new Date(Number(at.seconds) * 1000).toISOString() : null;
}

/** For a worker that fails a query, which leaves no trace in the history. */
export function failedQuery(cluster: string, message: string): StuckCluster {
  const isNondeterminism = /TMPRL1100|nondeterminis/i.test(message);
  return describeStuck(cluster, { kind: 'task-failed', isNondeterminism, message, attempt: null });
}

async function describeOrNull(
  { client, namespace }: TemporalSession,
  cluster: string,
): Promise<temporal.api.workflowservice.v1.IDescribeWorkflowExecutionResponse | null> {
  const execution = { workflowId: clusterWorkflowId(cluster) };
  return orNull(client.workflowService.describeWorkflowExecution({ namespace, execution }));
}

/** Why a workflow task is in its second or a later attempt; null while that is normal. */
async function taskBlocker(
  session: TemporalSession,
  execution: Execution,
  attempt: number,
): Promise<StuckCause | null> {
  for (const event of await lastEvents(session, execution)) {
    if (event.eventType === EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED) return null;
    if (event.eventType === EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT) {
      return attempt < TIMED_OUT_ATTEMPTS ? null : { kind: 'task-timed-out', attempt };
    }
    const failed = event.workflowTaskFailedEventAttributes;
    if (!failed) continue;
    if (HARMLESS.includes(failed.cause)) return null;
    const message = await messageOf(session, failed.failure);
    return {
      kind: 'task-failed',
      isNondeterminism: failed.cause === WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR,
      message,
      attempt,
      isStartUnreadable: isUnreadablePayload(message ?? '') && !(await canReadStart(session, execution)),
    };
  }
  return null;
}

/** Unknown without the key. */
async function canReadStart({ client, namespace }: TemporalSession, execution: Execution): Promise<boolean> {
  const { history } = await client.workflowService.getWorkflowExecutionHistory({
    ...{ namespace, execution },
    maximumPageSize: 1,
  });
  const started = history?.events?.[0]?.workflowExecutionStartedEventAttributes;
  try {
    await decodeArrayFromPayloads(client.options.loadedDataConverter, started?.input?.payloads ?? []);
    return true;
  } catch (error) {
    return isOspatchError(error);
  }
}

/** A workflow started by hand with an invalid spec was never a cluster. */
async function closingFailure(
  session: TemporalSession,
  execution: Execution,
): Promise<{ message: string | null; neverBegan: boolean }> {
  const [end] = await lastEvents(session, execution, 1);
  const terminated = end?.workflowExecutionTerminatedEventAttributes;
  if (terminated) return { message: terminated.reason ?? null, neverBegan: false };
  const failure = end?.workflowExecutionFailedEventAttributes?.failure;
  if (!failure) return { message: null, neverBegan: false };
  return {
    message: await messageOf(session, failure),
    neverBegan: failure.applicationFailureInfo?.type === 'InvalidSpec',
  };
}

/** Newest first. */
async function lastEvents(
  { client, namespace }: TemporalSession,
  execution: Execution,
  count = LAST_EVENTS,
): Promise<Event[]> {
  const { history } = await client.workflowService.getWorkflowExecutionHistoryReverse({
    ...{ namespace, execution },
    maximumPageSize: count,
  });
  return history?.events ?? [];
}

async function messageOf({ client }: TemporalSession, failure: Failure | null | undefined): Promise<string | null> {
  try {
    const error = await decodeOptionalFailureToOptionalError(client.options.loadedDataConverter, failure);
    return error?.message ?? '';
  } catch {
    // Encrypted with a key that is not available here.
    return null;
  }
}

/** A removed cluster shows its removal as its last memo. */
async function wasRemoved(
  { client }: TemporalSession,
  memo: temporal.api.common.v1.IMemo | null | undefined,
): Promise<boolean> {
  try {
    const state = memo?.fields?.['state'];
    if (!state) return false;
    const [phase] = await decodeArrayFromPayloads(client.options.loadedDataConverter, [state]);
    return phase === 'removing';
  } catch {
    // Encrypted with an unavailable key; almost every completed workflow belongs to a removed cluster.
    return true;
  }
}
