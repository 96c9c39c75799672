/** Rejects workflows started by hand under a wrong id or without input: anybody may start a workflow. */
import { ApplicationFailure, workflowInfo } from '@temporalio/workflow';
import { clusterWorkflowId } from '../../contract/workflow-ids';

/**
 * The id of a run or node patch is a lock: under another id it would run beside the workflow that holds the node. Only a child of
 * its cluster or run is one: what somebody has started by hand could fail its tasks for ever with an input of any form.
 * `isOwn` gets the ids of the workflow and of its parent, and may throw on malformed input.
 *
 * @throws ApplicationFailure `Refused`, which ends the workflow; failing tasks would hold its id forever
 */
export function requireOwnId(isOwn: (workflowId: string, parentId: string) => boolean): void {
  const { workflowId, workflowType, parent } = workflowInfo();
  if (holds(() => parent !== undefined && isOwn(workflowId, parent.workflowId))) return;
  throw ApplicationFailure.nonRetryable(
    `${workflowId} with this input is no ${workflowType} of ospatch; only a cluster starts one`,
    'Refused',
  );
}

/** Whether this is the id of a run of the cluster. */
export function isRunOf(cluster: string, workflowId: string, run?: number): boolean {
  return workflowId.startsWith(`${clusterWorkflowId(cluster)}/run/${run === undefined ? '' : `${run}-`}`);
}

function holds(condition: () => boolean): boolean {
  try {
    return condition();
  } catch {
    return false;
  }
}

/** For a part of an untrusted input. */
export function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}
