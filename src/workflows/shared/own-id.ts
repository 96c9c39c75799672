/** Rejects workflows started by hand under a wrong id or without input: anybody may start a workflow. */
import { ApplicationFailure, workflowInfo } from '@temporalio/workflow';

/**
 * The id of a run or node patch is a lock: under another id it would run beside the workflow that holds the node.
 * `isOwn` gets the id, and may throw on malformed input.
 *
 * @throws ApplicationFailure `Refused`, which ends the workflow; failing tasks would hold its id forever
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

/** For a part of an untrusted input. */
export function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}
