import type { Client } from '@temporalio/client';
import { recordIn } from '../../src/client/node-records';
import { nodeWorkflowId } from '../../src/contract/workflow-ids';
import type { PatchRecord } from '../../src/domain/cluster/member';
import type { NodePatchResult } from '../../src/domain/node/patch';
import { nodePatch } from './members';

/** The record of the last patch of a node or node group, once that patch has ended. */
export async function patchRecord(client: Client, cluster: string, name: string): Promise<PatchRecord> {
  const id = nodeWorkflowId(cluster, name);
  // On a server that skips time, the wait for the result can last until the next patch of the node has begun.
  const { runId } = await client.workflow.getHandle(id).describe();
  const handle = client.workflow.getHandle(id, runId);
  await handle.result().catch(() => undefined);
  const { events } = await handle.fetchHistory();
  const record = await recordIn(events ?? [], client.options.loadedDataConverter);
  if (record === null) throw new Error(`the patch of ${name} has left no record`);
  return record;
}

/** The record of a node. */
export async function nodeRecord(client: Client, cluster: string, node: string): Promise<NodePatchResult> {
  return nodePatch(await patchRecord(client, cluster, node));
}
