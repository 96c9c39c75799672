/** Results of activities and children of a workflow that was started encrypted, and that are not encrypted themselves. */
import type { coresdk } from '@temporalio/proto';
import { ENCRYPTED_ENCODING } from '../../domain/shared/payload-encodings';
import { isAuthentic } from './authentic-payloads';

type Job = coresdk.workflow_activation.IWorkflowActivationJob;
type Result = NonNullable<NonNullable<Job['resolveActivity']>['result']>['completed'];

/**
 * Turns a plain result into a failure. Whoever may complete an activity through Temporal's API may fail it too, so the workflow
 * is no worse off. A result that cannot be decrypted is left: its task waits for a worker that can.
 */
export function refuseForgedResult({ resolveActivity, resolveChildWorkflowExecution }: Job): void {
  for (const { result } of [resolveActivity, resolveChildWorkflowExecution].flatMap((one) => one ?? [])) {
    if (result?.completed && isForged(result.completed)) {
      result.failed = { failure: failure(resolveActivity ? 'an activity' : 'a child workflow') };
      result.completed = null;
    }
  }
}

function isForged(completed: NonNullable<Result>): boolean {
  const { result } = completed;
  return !isAuthentic(result) && String.fromCharCode(...(result?.metadata?.['encoding'] ?? [])) !== ENCRYPTED_ENCODING;
}

function failure(whose: string): NonNullable<coresdk.activity_result.IFailure['failure']> {
  const message = `the result of ${whose} is not encrypted, and the workflow was started encrypted: somebody else has completed it in Temporal, or a worker has no keys`;
  return { message, source: 'ospatch', applicationFailureInfo: { type: 'Denied', nonRetryable: true } };
}
