/** Tells a cluster what somebody has done to one of its nodes through another workflow than the cluster's. */
import { CancellationScope, getExternalWorkflowHandle } from '@temporalio/workflow';
import { nodeActionSignal } from '../../contract/messages';
import { clusterWorkflowId } from '../../contract/workflow-ids';
import type { NodeAction } from '../../domain/cluster/node-actions';

/** Never throws: a cluster that is gone keeps no events. */
export async function tellCluster(cluster: string, action: NodeAction): Promise<void> {
  await CancellationScope.nonCancellable(() =>
    getExternalWorkflowHandle(clusterWorkflowId(cluster)).signal(nodeActionSignal, action),
  ).catch(() => undefined);
}
