/**
 * Runs one local activity at a time per workflow.
 *
 * The results of concurrent ones arrive one by one, each followed by workflow code. On replay all results are available
 * at once, the code after them runs in another order, and the history no longer matches.
 */
import type { WorkflowInterceptors } from '@temporalio/workflow';

export function interceptors(): WorkflowInterceptors {
  let last: Promise<unknown> = Promise.resolve();
  return {
    outbound: [
      {
        scheduleLocalActivity: (input, next) => {
          const answer = last.then(() => next(input));
          last = answer.catch(() => undefined);
          return answer;
        },
      },
    ],
  };
}
