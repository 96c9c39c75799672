/** Refuses what was started by hand under an id that is not its own, or with nothing: anybody may start a workflow. */
import { ApplicationFailure, workflowInfo } from '@temporalio/workflow';

/**
 * The id of a run or of a node patch is a lock: under another one it would work beside the run that holds the node.
 * `isOwn` gets the id, and may throw on an input that is none.
 *
 * @throws ApplicationFailure `Refused`, which ends the workflow; one whose tasks fail would hold its id for ever
 */
export function requireOwnId(isOwn: (workflowId: string) => boolean): void {
  const { workflowId, workflowType } = workflowInfo();
  if (holds(() => isOwn(workflowId))) return;
  throw ApplicationFailure.nonRetryable(
    `${workflowId} with this input is no ${workflowType} of ospatch; only a cluster starts one`,
    'Refused',
  );
}

function holds(condition: () => boolean): boolean {
  try {
    return condition();
  } catch {
    return false;
  }
}

/** Of a part of an input that may have been written by hand. */
export function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}
