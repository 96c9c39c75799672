/**
 * How long a worker may take for a workflow task of a cluster and of what a cluster starts, before Temporal gives the task to
 * another worker. The SDK prolongs a task after 80 % of it, and the result of a local activity that was in work then does not
 * replay (`workflows/sandbox/local-activity-order.ts`). With the 10 seconds of Temporal, a worker that stands still for 8 seconds
 * gets there. After the death of a worker, a task in progress waits for so long.
 */
export const WORKFLOW_TASK_TIMEOUT = '30 seconds' as const;
