/**
 * Notices that the workflow was reset in Temporal: from there on it has another seed for its random numbers, which the SDK
 * tells in no other way. In the same workflow task the server hands over again all that the workflow was sent since the
 * point it was reset to.
 */
import type { WorkflowInterceptors } from '@temporalio/workflow';
import { getActivator } from '@temporalio/workflow/lib/global-attributes';
import { noteResetTask, notifyReset } from '../shared/reset';

export function interceptors(): WorkflowInterceptors {
  let seed = seedNow();
  return {
    internals: [
      {
        activate(input, next) {
          const before = seed;
          seed = seedNow();
          const isReset = seed !== before;
          // Messages of this task are looked at with that in mind; by then the workflow has begun, if it begins now.
          if (isReset) noteResetTask(input.activation.historyLength ?? 0);
          next(input);
          if (isReset) notifyReset();
        },
      },
    ],
  };
}

function seedNow(): string {
  return getActivator().randomnessSeed.join();
}
