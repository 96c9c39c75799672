/** Workflows that answer one question. Anybody may start one with anything. */
import { ApplicationFailure, workflowInfo } from '@temporalio/workflow';
import { plainText } from '../../domain/shared/text';

/**
 * Runs `body`. An input that it cannot work with ends the workflow; a workflow whose task fails would be retried without
 * end, and hold its id meanwhile.
 *
 * @throws ApplicationFailure `Refused`
 */
export async function failOnBadInput<T>(body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (failure) {
    if (!(failure instanceof TypeError || failure instanceof RangeError)) throw failure;
    const { workflowType } = workflowInfo();
    throw ApplicationFailure.nonRetryable(
      `${workflowType} cannot work with this input: ${plainText(failure.message, 300)}`,
      'Refused',
    );
  }
}
