/** Whether a workflow of this id has been started with this signature before, by which a copied request is recognised. */
import { activityInfo, getClient } from '@temporalio/activity';
import { decodeArrayFromPayloads } from '@temporalio/common/lib/internal-non-workflow';

/** Below the timeout of the local activity that asks. */
const DEADLINE_MS = 5_000;

/** Executions since the signature: a cluster continues as new after each run, and at most every few seconds. */
const MAX_EXECUTIONS = 200;

/**
 * `since`: when it was signed, epoch milliseconds; no execution before then has it.
 *
 * @throws when Temporal does not answer
 */
export async function wasStartedBefore(signature: string, since: number): Promise<boolean> {
  const { workflowExecution } = activityInfo();
  if (workflowExecution === undefined) return false;
  const { workflowId, runId } = workflowExecution;
  const client = getClient();
  const { workflow, workflowService, options } = client;
  return client.withDeadline(Date.now() + DEADLINE_MS, async () => {
    const query = `WorkflowId = ${quoted(workflowId)} AND StartTime >= "${new Date(since).toISOString()}"`;
    let seen = 0;
    for await (const earlier of workflow.list({ query })) {
      if (earlier.runId === runId) continue;
      seen += 1;
      if (seen > MAX_EXECUTIONS) return true;
      const { history } = await workflowService.getWorkflowExecutionHistory({
        namespace: options.namespace,
        execution: { workflowId, runId: earlier.runId },
        maximumPageSize: 1,
      });
      const started = history?.events?.[0]?.workflowExecutionStartedEventAttributes;
      const [argument] = await decodeArrayFromPayloads(
        options.loadedDataConverter,
        started?.input?.payloads ?? [],
      ).catch(() => []);
      if (signatureIn(argument) === signature) return true;
    }
    return false;
  });
}

function signatureIn(argument: unknown): unknown {
  if (typeof argument !== 'object' || argument === null || !('signature' in argument)) return null;
  const { signature } = argument;
  return typeof signature === 'object' && signature !== null && 'value' in signature ? signature.value : null;
}

/** As a string in a query of Temporal's visibility. */
function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}
