/** All data of workflows in Temporal, as text to search in. */
import { Connection } from '@temporalio/client';
import type { Payload } from '@temporalio/common';
import { Client } from '@temporalio/client';

interface Histories {
  /** All strings and all bytes, payloads as stored. */
  text: string;
  payloads: Payload[];
  workflows: string[];
}

/** Of every workflow with a matching id, closed ones included; with memo, pending activities and user metadata. */
export async function readHistories(address: string, id: RegExp): Promise<Histories> {
  const connection = await Connection.connect({ address });
  try {
    const client = new Client({ connection });
    const found: Histories = { text: '', payloads: [], workflows: [] };
    const pieces: string[] = [];
    // Not through the client's own list, which decodes memos.
    const { executions } = await client.workflowService.listWorkflowExecutions({
      namespace: 'default',
      pageSize: 1000,
    });
    for (const { execution: key } of executions ?? []) {
      const { workflowId, runId } = key ?? {};
      if (!workflowId || !runId || !id.test(workflowId)) continue;
      found.workflows.push(workflowId);
      const execution = { workflowId, runId };
      collect(await client.workflow.getHandle(workflowId, runId).fetchHistory(), pieces, found.payloads);
      const description = await client.workflowService.describeWorkflowExecution({ namespace: 'default', execution });
      collect(description, pieces, found.payloads);
    }
    found.text = pieces.join('\n');
    return found;
  } finally {
    await connection.close();
  }
}

function collect(value: unknown, pieces: string[], payloads: Payload[]): void {
  if (typeof value === 'string') pieces.push(value);
  else if (value instanceof Uint8Array) pieces.push(Buffer.from(value).toString('latin1'));
  else if (typeof value === 'object' && value !== null) {
    if ('metadata' in value && 'data' in value) payloads.push(value as Payload);
    for (const one of Object.values(value)) collect(one, pieces, payloads);
  }
}
