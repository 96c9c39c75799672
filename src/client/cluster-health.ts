/** Whether the workflow of a cluster makes progress, determined from Temporal alone, without a worker. */
import type { Payload } from '@temporalio/common';
import {
  decodeArrayFromPayloads,
  decodeOptionalFailureToOptionalError,
} from '@temporalio/common/lib/internal-non-workflow';
import { temporal } from '@temporalio/proto';
import { WORKFLOW_TYPES, clusterWorkflowId } from '../contract/workflow-ids';
import type { HowEnded, StuckCause, StuckCluster } from '../domain/inspection/stuck';
import { describeStuck } from '../domain/inspection/stuck';
import type { WorkerVersion } from '../domain/inspection/workers';
import { isSameVersion } from '../domain/inspection/workers';
import { readStartArgument } from '../domain/cluster/recovery';
import { validateSpecObject } from '../domain/spec/parse';
import { isOspatchError } from '../domain/shared/errors';
import { isUnreadablePayload } from '../domain/shared/unreadable';
import { keyIdOf } from '../encryption/codec';
import type { TemporalSession } from './connection';
import { orNull } from './not-found';
import { isPausedOnServer } from './execution-status';
import { countPollers, readQueue, versionOf } from './pollers';

type Event = temporal.api.history.v1.IHistoryEvent;
type Failure = temporal.api.failure.v1.IFailure;
type Execution = temporal.api.common.v1.IWorkflowExecution;
type Described = temporal.api.workflowservice.v1.IDescribeWorkflowExecutionResponse;
type VersioningInfo = temporal.api.workflow.v1.IWorkflowExecutionVersioningInfo;
type Time = { seconds?: unknown } | null | undefined;

/** `absent`: Temporal has no such workflow (any longer), or it never had a valid spec. */
export type ClusterHealth = { state: 'running' | 'removed' | 'absent' } | { state: 'stuck'; stuck: StuckCluster };

/** The end of a workflow task is among the last events, unless more messages than this have arrived since. */
const LAST_EVENTS = 100;

/** A worker killed during a workflow task makes the task time out once; the next worker may be killed too. */
const TIMED_OUT_ATTEMPTS = 3;

const { WorkflowExecutionStatus, WorkflowTaskFailedCause, EventType, VersioningBehavior } = temporal.api.enums.v1;

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

/** How a workflow fails that was started with a spec that is not valid, or by somebody who must not. */
const NEVER_BEGAN = ['InvalidSpec', 'Denied'];

/** At most three requests to Temporal. Throws the client's errors, except for a missing workflow. */
export async function readHealth(session: TemporalSession, cluster: string): Promise<ClusterHealth> {
  const described = await describeOrNull(session, cluster);
  const { status, execution, closeTime, memo } = described?.workflowExecutionInfo ?? {};
  if (described === null || !execution || !status) return { state: 'absent' };
  const stuck = (obstacle: StuckCause): ClusterHealth => ({ state: 'stuck', stuck: describeStuck(cluster, obstacle) });
  const how = HOW_ENDED.get(status);
  const foreign = foreignType(described, [WORKFLOW_TYPES.cluster]);
  if (foreign !== null) return how === undefined ? stuck({ kind: 'id-taken', type: foreign }) : { state: 'absent' };
  if (how === undefined) {
    const obstacle = await readObstacle(session, described);
    return obstacle === null ? { state: 'running' } : stuck(obstacle);
  }
  if (how === 'completed' && (await wasRemoved(session, memo))) return { state: 'removed' };
  const end = await orNull(closingFailure(session, execution));
  // The deletion has completed meanwhile.
  if (end === null) return { state: 'absent' };
  if (end.neverBegan) return { state: 'absent' };
  const unusable = await orNull(whyUnusable(session, cluster, execution));
  return stuck({ kind: 'ended', how, at: timeOf(closeTime), message: end.message, unusable });
}

/** The type of a workflow that is none of `types`; null when it is one. */
export function foreignType(described: Described, types: readonly string[]): string | null {
  const type = described.workflowExecutionInfo?.type?.name ?? '';
  return type === '' || types.includes(type) ? null : type;
}

/** Why an open workflow makes no progress; null when it does. */
export async function readObstacle(session: TemporalSession, described: Described): Promise<StuckCause | null> {
  const { status, execution, taskQueue, versioningInfo } = described.workflowExecutionInfo ?? {};
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
  const version = pinnedTo(versioningInfo);
  if (version !== null && taskQueue) {
    const { pollers } = await readQueue(session, taskQueue, 'workflows');
    return pollers.some((one) => isSameVersion(one.version, version))
      ? null
      : { kind: 'no-version', taskQueue, version };
  }
  // The caller knows whether workers poll the usual task queue.
  if (!taskQueue || taskQueue === session.taskQueue) return null;
  return (await countPollers(session, taskQueue, 'workflows')) > 0 ? null : { kind: 'no-worker', taskQueue };
}

/** The version that a workflow is pinned to; null for auto-upgrade and unversioned workflows. */
function pinnedTo(info: VersioningInfo | null | undefined): WorkerVersion | null {
  const isPinned = info?.behavior === VersioningBehavior.VERSIONING_BEHAVIOR_PINNED;
  return isPinned ? versionOf(info?.deploymentVersion) : null;
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
    const message = await failureMessage(session, failed.failure);
    return {
      kind: 'task-failed',
      isNondeterminism: failed.cause === WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR,
      message,
      attempt,
      isStartUnreadable: isUnreadablePayload(message ?? '') && !(await canReadStart(session, execution)),
      ...(message === null ? await keysOf(session, execution, failed.failure) : {}),
    };
  }
  return null;
}

/** The keys of an undecodable failure and of the workflow input. */
async function keysOf(
  session: TemporalSession,
  execution: Execution,
  failure: Failure | null | undefined,
): Promise<{ failureKey: string | null; startKey: string | null }> {
  const [argument] = await readStartPayloads(session, execution);
  return { failureKey: keyIdOf(failure?.encodedAttributes), startKey: keyIdOf(argument) };
}

async function readStartPayloads({ client, namespace }: TemporalSession, execution: Execution): Promise<Payload[]> {
  const { history } = await client.workflowService.getWorkflowExecutionHistory({
    ...{ namespace, execution },
    maximumPageSize: 1,
  });
  return history?.events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads ?? [];
}

async function canReadStart(session: TemporalSession, execution: Execution): Promise<boolean> {
  return (await readStart(session, execution)).isReadable;
}

/** Decodes the workflow input. Unknown without the key, which counts as readable. */
async function readStart(
  session: TemporalSession,
  execution: Execution,
): Promise<{ isReadable: false; why: string } | { isReadable: true; argument: unknown; isKnown: boolean }> {
  const payloads = await readStartPayloads(session, execution);
  try {
    const [argument] = await decodeArrayFromPayloads(session.client.options.loadedDataConverter, payloads);
    return { isReadable: true, argument, isKnown: true };
  } catch (error) {
    if (isOspatchError(error)) return { isReadable: true, argument: undefined, isKnown: false };
    return { isReadable: false, why: error instanceof Error ? error.message : String(error) };
  }
}

/** Why a closed workflow holds no recoverable cluster; null when it may. */
async function whyUnusable(session: TemporalSession, cluster: string, execution: Execution): Promise<string | null> {
  const start = await readStart(session, execution);
  if (!start.isReadable) return `what it was started with cannot be read here: ${start.why}`;
  const { argument, isKnown } = start;
  // An unusable state is one of another version.
  if (!isKnown || (typeof argument === 'object' && argument !== null && 'state' in argument)) return null;
  const state = readStartArgument(structuredClone(argument), cluster, new Date().toISOString(), validateSpecObject);
  return typeof state === 'string' ? `what it was started with cannot be used: ${state}` : null;
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
    message: await failureMessage(session, failure),
    neverBegan: NEVER_BEGAN.includes(failure.applicationFailureInfo?.type ?? ''),
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

/** Null when the failure is encrypted with a key that is not available here. */
export async function failureMessage(
  { client }: TemporalSession,
  failure: Failure | null | undefined,
): Promise<string | null> {
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
