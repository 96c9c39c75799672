import type { ClusterSpec } from '../domain/spec/types';
import { WORKFLOW_TASK_TIMEOUT } from '../contract/task-timeout';
import { clusterWorkflowId } from '../contract/workflow-ids';

/** Options of every start of a cluster's workflow: of a new cluster, and of one that is recovered. */
export function clusterStart({ name, type }: Pick<ClusterSpec, 'name' | 'type'>, taskQueue: string) {
  return {
    workflowId: clusterWorkflowId(name),
    taskQueue,
    workflowTaskTimeout: WORKFLOW_TASK_TIMEOUT,
    workflowIdReusePolicy: 'ALLOW_DUPLICATE',
    staticSummary: `OS patching of cluster ${name} (${type})`,
  } as const;
}
