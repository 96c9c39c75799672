import type { Client } from '@temporalio/client';
import { recordIn } from '../../src/client/node-records';
import { nodeWorkflowId } from '../../src/contract/workflow-ids';
import type { NodePatchResult } from '../../src/domain/node/patch';

/** The record that the last patch of `node` has left, once it has ended. */
export async function nodeRecord(client: Client, cluster: string, node: string): Promise<NodePatchResult> {
  const handle = client.workflow.getHandle(nodeWorkflowId(cluster, node));
  await handle.result().catch(() => undefined);
  const { events } = await handle.fetchHistory();
  const record = await recordIn(events ?? [], client.options.loadedDataConverter);
  if (record === null) throw new Error(`the patch of ${node} has left no record`);
  return record;
}
