/** Reads records of node patches: from the history of an ended patch, by a query from a running one. */
import type { WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure, WorkflowFailedError } from '@temporalio/client';
import type { LoadedDataConverter } from '@temporalio/common';
import { decodeArrayFromPayloads } from '@temporalio/common/lib/internal-non-workflow';
import type { temporal } from '@temporalio/proto';
import { nodePatchQuery } from '../contract/messages';
import { nodeWorkflowId } from '../contract/workflow-ids';
import type { PatchRecord } from '../domain/cluster/member';
import { isPatchRecord } from '../domain/cluster/member';
import type { RunInput } from '../domain/run/run';
import type { TemporalSession } from './connection';

type HistoryEvent = temporal.api.history.v1.IHistoryEvent;

/** The record is written just before the workflow ends. */
const LAST_EVENTS = 10;

/**
 * The record of a node patch. `workflowRunId`: the execution; absent: the last one. Null when there is no record
 * because the patch was terminated.
 */
export async function readNodeRecord(
  { client, namespace }: TemporalSession,
  cluster: string,
  node: string,
  workflowRunId?: string,
): Promise<PatchRecord | null> {
  const handle = client.workflow.getHandle(nodeWorkflowId(cluster, node), workflowRunId);
  const { status, runId } = await handle.describe();
  if (status.name === 'RUNNING') return handle.query(nodePatchQuery);
  const { history } = await client.workflowService.getWorkflowExecutionHistoryReverse({
    namespace,
    execution: { workflowId: handle.workflowId, runId },
    maximumPageSize: LAST_EVENTS,
  });
  return recordIn(history?.events ?? [], client.options.loadedDataConverter);
}

/** The record in the history of a node patch; null when there is none. */
export async function recordIn(
  events: readonly HistoryEvent[],
  converter: LoadedDataConverter,
): Promise<PatchRecord | null> {
  for (const { markerRecordedEventAttributes: marker } of events) {
    const payloads = marker?.details?.['result']?.payloads;
    if (payloads === null || payloads === undefined) continue;
    const [value] = await decodeArrayFromPayloads(converter, payloads);
    if (isPatchRecord(value)) return value;
  }
  return null;
}

/** What the last execution of a run workflow was started with. */
export async function readRunInput({ client, namespace }: TemporalSession, workflowId: string): Promise<RunInput> {
  const { history } = await client.workflowService.getWorkflowExecutionHistory({
    ...{ namespace, execution: { workflowId }, maximumPageSize: 1 },
  });
  const { input } = history?.events?.[0]?.workflowExecutionStartedEventAttributes ?? {};
  const [value] = await decodeArrayFromPayloads(client.options.loadedDataConverter, input?.payloads ?? []);
  return value as RunInput;
}

/** The result of a workflow that returns one even when it fails. @throws the client's error when there is none */
export async function answerOf(handle: WorkflowHandle): Promise<unknown> {
  try {
    return await handle.result();
  } catch (error) {
    const failure = error instanceof WorkflowFailedError ? error.cause : undefined;
    const answer: unknown = failure instanceof ApplicationFailure ? failure.details?.[0] : undefined;
    if (answer === undefined) throw error;
    return answer;
  }
}
