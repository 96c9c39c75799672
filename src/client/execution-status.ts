/** What the numbers mean by which Temporal calls the status of a workflow. */
import { temporal } from '@temporalio/proto';

const { WORKFLOW_EXECUTION_STATUS_PAUSED, WORKFLOW_EXECUTION_STATUS_RUNNING } =
  temporal.api.enums.v1.WorkflowExecutionStatus;

/** Whether a workflow has not ended. */
export function isOpen(status: number): boolean {
  return status === WORKFLOW_EXECUTION_STATUS_RUNNING || isPausedOnServer(status);
}

/** Whether somebody has paused a workflow in Temporal, which servers from 1.30 on can. It does and answers nothing. */
export function isPausedOnServer(status: number): boolean {
  return status === WORKFLOW_EXECUTION_STATUS_PAUSED;
}
