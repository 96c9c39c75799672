/** Marks the payloads of an activation that come from outside: those of signals, updates and queries. */
import type { WorkflowInterceptors } from '@temporalio/workflow';
import { forgive } from './forgiven-payloads';

export function interceptors(): WorkflowInterceptors {
  return {
    internals: [
      {
        activate(input, next) {
          for (const { signalWorkflow, doUpdate, queryWorkflow } of input.activation.jobs ?? []) {
            forgive(signalWorkflow?.input);
            forgive(doUpdate?.input);
            forgive(queryWorkflow?.arguments);
          }
          return next(input);
        },
      },
    ],
  };
}
