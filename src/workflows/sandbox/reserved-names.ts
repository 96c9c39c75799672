/**
 * Keeps messages with names reserved by the SDK from blocking a workflow.
 *
 * With a default handler registered, the SDK throws on a signal or update whose name begins with `__temporal_`, in the
 * workflow task and thus in every retry. The server accepts such a signal from anybody. Under another name it is
 * rejected like any unknown one.
 */
import type { WorkflowInterceptors } from '@temporalio/workflow';

const RESERVED = '__temporal_';

export function interceptors(): WorkflowInterceptors {
  return {
    internals: [
      {
        activate(input, next) {
          for (const { signalWorkflow, doUpdate } of input.activation.jobs ?? []) {
            if (signalWorkflow?.signalName?.startsWith(RESERVED) === true) {
              signalWorkflow.signalName = rename(signalWorkflow.signalName);
            }
            if (doUpdate?.name?.startsWith(RESERVED) === true) doUpdate.name = rename(doUpdate.name);
          }
          return next(input);
        },
      },
    ],
  };
}

function rename(name: string): string {
  return `reserved name ${name.slice(RESERVED.length)}`;
}
