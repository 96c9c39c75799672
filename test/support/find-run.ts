import type { Client, WorkflowHandle } from '@temporalio/client';
import { clusterWorkflowId } from '../../src/contract/workflow-ids';
import { waitFor } from './wait-for';

/** The newest run of this number, as soon as Temporal lists that run; needs no worker. */
export function findRun(client: Client, cluster: string, run: number): Promise<WorkflowHandle> {
  const query = `WorkflowId STARTS_WITH "${clusterWorkflowId(cluster)}/run/${run}-"`;
  return waitFor(
    async () => {
      for await (const { workflowId } of client.workflow.list({ query })) return client.workflow.getHandle(workflowId);
      return null;
    },
    { what: `run ${run} of ${cluster}` },
  );
}
