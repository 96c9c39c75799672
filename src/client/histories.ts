/** Reads the recorded histories of all workflows of a task queue. */
import type { temporal } from '@temporalio/proto';
import { isOspatchError } from '../domain/shared/errors';
import type { TemporalCalls } from './temporal-calls';

const READS_AT_ONCE = 5;

export interface WorkflowHistory {
  /** The workflow id. */
  name: string;
  /** An error message when the server does not return the history. */
  history: temporal.api.history.v1.IHistory | string;
}

/**
 * All running workflows of the task queue; with `ended` also closed ones within the retention.
 *
 * @throws OspatchError `NoServer`, `NotFound`
 */
export async function* readHistories(calls: TemporalCalls, ended: boolean): AsyncGenerator<WorkflowHistory> {
  const { client, taskQueue } = calls.session;
  const running = ended ? '' : ' AND ExecutionStatus = "Running"';
  const executions = client.workflow.list({ query: `TaskQueue = "${taskQueue}"${running}` })[Symbol.asyncIterator]();
  for (;;) {
    const batch: Promise<WorkflowHistory | null>[] = [];
    let isLast = false;
    while (batch.length < READS_AT_ONCE && !isLast) {
      const next = await calls.call(null, () => executions.next());
      if (next.done === true) isLast = true;
      else batch.push(readHistory(calls, next.value.workflowId, next.value.runId));
    }
    for (const one of await Promise.all(batch)) if (one !== null) yield one;
    if (isLast) return;
  }
}

/** Null: Temporal has deleted the workflow since it was listed. */
async function readHistory(calls: TemporalCalls, workflowId: string, runId: string): Promise<WorkflowHistory | null> {
  try {
    const handle = calls.session.client.workflow.getHandle(workflowId, runId);
    return { name: workflowId, history: await calls.call(null, () => handle.fetchHistory()) };
  } catch (error) {
    if (!isOspatchError(error)) throw error;
    if (error.type === 'NotFound') return null;
    if (error.type === 'NoServer') throw error;
    return { name: workflowId, history: error.message };
  }
}
