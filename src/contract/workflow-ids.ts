/** Workflow ids. A fixed id is a lock: Temporal runs at most one workflow per id at a time. */

export const TASK_QUEUE = 'ospatch';

/** Workflow types, as shown in the Temporal UI. */
export const WORKFLOW_TYPES = {
  cluster: 'cluster',
  run: 'run',
  patchNode: 'patchNode',
  readNodeLog: 'readNodeLog',
  inspectNodes: 'inspectNodes',
  inspectAvailability: 'inspectAvailability',
  inspectAlerts: 'inspectAlerts',
  inspectKubernetes: 'inspectKubernetes',
  uncordonNode: 'uncordonNode',
  updateNodegroup: 'updateNodegroup',
  inspectEks: 'inspectEks',
  inspectPolicy: 'inspectPolicy',
  prefetchNodes: 'prefetchNodes',
  refreshFacts: 'refreshFacts',
  notify: 'notify',
  testNotifications: 'testNotifications',
} as const;

export function clusterWorkflowId(cluster: string): string {
  return `cluster/${cluster}`;
}

/** The name of the cluster with this workflow id; an id of no cluster as it is. */
export function clusterOfWorkflowId(workflowId: string): string {
  return workflowId.startsWith('cluster/') ? workflowId.slice('cluster/'.length) : workflowId;
}

/** The name of the cluster to which the workflow with this id belongs; an id of none as it is. */
export function clusterOfMember(workflowId: string): string {
  return clusterOfWorkflowId(workflowId).split('/', 1)[0] ?? '';
}

/**
 * Run numbers restart when a cluster is removed and applied again. The creation time of the cluster
 * (`ClusterStatus.createdAt`) distinguishes the runs.
 */
export function runWorkflowId(cluster: string, createdAt: string, run: number): string {
  return `${clusterWorkflowId(cluster)}/run/${run}-${Date.parse(createdAt).toString(36)}`;
}

/** Equal for all runs, so that no two runs ever work on one node at the same time. */
export function nodeWorkflowId(cluster: string, node: string): string {
  return `${clusterWorkflowId(cluster)}/node/${node}`;
}

export function refreshWorkflowId(cluster: string): string {
  return `${clusterWorkflowId(cluster)}/facts`;
}

export function prefetchWorkflowId(cluster: string): string {
  return `${clusterWorkflowId(cluster)}/prefetch`;
}

/** Of the workflow that tells the targets of notifications about one subject. `createdAt`: as of runs. */
export function notifierWorkflowId(cluster: string, createdAt: string, subject: string): string {
  return `${clusterWorkflowId(cluster)}/notify/${subject}-${Date.parse(createdAt).toString(36)}`;
}

export function inspectionWorkflowId(cluster: string, unique: string): string {
  return `${clusterWorkflowId(cluster)}/inspect/${unique}`;
}

/** Of a probe of the workers, which belongs to no cluster. */
export function probeWorkflowId(unique: string): string {
  return `doctor/${unique}`;
}

export function logWorkflowId(cluster: string, node: string, unique: string): string {
  return `${clusterWorkflowId(cluster)}/log/${node}/${unique}`;
}
