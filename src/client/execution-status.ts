/** The numeric workflow statuses of Temporal. */
import { temporal } from '@temporalio/proto';

const { WORKFLOW_EXECUTION_STATUS_PAUSED, WORKFLOW_EXECUTION_STATUS_RUNNING } =
  temporal.api.enums.v1.WorkflowExecutionStatus;

/** Whether a workflow is open. */
export function isOpen(status: number): boolean {
  return status === WORKFLOW_EXECUTION_STATUS_RUNNING || isPausedOnServer(status);
}

/** Whether a workflow is paused in Temporal (servers from 1.30 on): it makes no progress and answers no queries. */
export function isPausedOnServer(status: number): boolean {
  return status === WORKFLOW_EXECUTION_STATUS_PAUSED;
}
