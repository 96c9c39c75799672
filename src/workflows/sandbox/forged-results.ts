/** Results of activities and children of a workflow that was started encrypted, and that are not encrypted themselves. */
import type { coresdk } from '@temporalio/proto';
import { isAuthentic, isUndecrypted } from './authentic-payloads';

type Job = coresdk.workflow_activation.IWorkflowActivationJob;

/**
 * Turns a plain result into a failure. Whoever may complete an activity through Temporal's API may fail it too, so the workflow
 * is no worse off. A result that cannot be decrypted is left: its task waits for a worker that can.
 */
export function refuseForgedResult({ resolveActivity, resolveChildWorkflowExecution }: Job): void {
  for (const { result } of [resolveActivity, resolveChildWorkflowExecution].flatMap((one) => one ?? [])) {
    if (result?.completed && !isAuthentic(result.completed.result) && !isUndecrypted(result.completed.result)) {
      result.failed = { failure: failure(resolveActivity ? 'an activity' : 'a child workflow') };
      result.completed = null;
    }
  }
}

function failure(whose: string): NonNullable<coresdk.activity_result.IFailure['failure']> {
  const message = `the result of ${whose} is not encrypted, and the workflow was started encrypted: somebody else has completed it in Temporal, or a worker has no keys`;
  return { message, source: 'ospatch', applicationFailureInfo: { type: 'Denied', nonRetryable: true } };
}
