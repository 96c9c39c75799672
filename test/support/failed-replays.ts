/** Whether workflows can go on at another worker. */
import type { Client } from '@temporalio/client';
import { Worker } from '@temporalio/worker';
import { traceSinks } from '../../src/tracing/tracing';
import { workflowBundle } from './workflow-bundle';

/** The histories of a task queue that the code of this checkout does not replay, each with the reason. */
export async function failedReplays({ workflow }: Client, taskQueue: string): Promise<string[]> {
  const failed: string[] = [];
  const code = { workflowBundle: await workflowBundle(), sinks: traceSinks(null) };
  for await (const { workflowId, runId } of workflow.list({ query: `TaskQueue = '${taskQueue}'` })) {
    const history = await workflow.getHandle(workflowId, runId).fetchHistory();
    try {
      await Worker.runReplayHistory(code, history, workflowId);
    } catch (error) {
      failed.push(`${workflowId} does not replay: ${String(error)}`);
    }
  }
  return failed;
}
