/** Ends a wait of a node patch. The request goes to the node patch directly, not through its cluster and run. */
import { randomUUID } from 'node:crypto';
import { WorkflowNotFoundError } from '@temporalio/client';
import { OspatchError } from '../domain/shared/errors';
import { nodeWorkflowId } from '../contract/workflow-ids';
import type { Message, ReleaseAnswer } from '../domain/cluster/messages';
import { releaseUpdate } from '../contract/messages';
import type { TemporalCalls } from './temporal-calls';

/**
 * @throws OspatchError `NotFound` when no run works on the node, `Refused` when the node has no wait that can be ended
 */
export function releaseNode(
  calls: TemporalCalls,
  cluster: string,
  node: string,
  message: Message,
): Promise<ReleaseAnswer> {
  const handle = calls.session.client.workflow.getHandle(nodeWorkflowId(cluster, node));
  const updateId = randomUUID();
  return calls.send(cluster, async () => {
    try {
      return await handle.executeUpdate(releaseUpdate, { args: [message], updateId });
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
      throw new OspatchError(
        {
          type: 'NotFound',
          message: `no run of cluster ${cluster} works on ${node}`,
          remedy: `see \`ospatch status ${cluster}\``,
        },
        { cause: error },
      );
    }
  });
}
