/** Sets the priority of every activity and child workflow centrally, so that none can lack one. */
import type { WorkflowInterceptors } from '@temporalio/workflow';
import { workflowInfo } from '@temporalio/workflow';
import { priorityOf, workflowPriorityOf } from '../../contract/priorities';

export function interceptors(): WorkflowInterceptors {
  let trigger: unknown = null;
  return {
    inbound: [
      {
        execute: (input, next) => {
          trigger = triggerOf(input.args[0]);
          return next(input);
        },
      },
    ],
    outbound: [
      {
        scheduleActivity: (input, next) => {
          const priorityKey = priorityOf(input.activityType, workflowInfo().workflowType, trigger);
          return next({ ...input, options: { ...input.options, priority: input.options.priority ?? { priorityKey } } });
        },
        startChildWorkflowExecution: (input, next) => {
          const priorityKey = workflowPriorityOf(input.workflowType);
          return next({ ...input, options: { ...input.options, priority: input.options.priority ?? { priorityKey } } });
        },
      },
    ],
  };
}

/** The trigger of a run or node patch; the start argument is untrusted. */
function triggerOf(argument: unknown): unknown {
  return typeof argument === 'object' && argument !== null && 'trigger' in argument ? argument.trigger : null;
}
