/**
 * Lets a workflow have one local activity at a time.
 *
 * The answers of two that run at once come one by one, and each is followed by what the workflow makes of it. On replay
 * both answers are there in the same moment: what follows them happens in another order, and the history no longer fits.
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
