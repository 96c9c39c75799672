/**
 * Keeps the identities of the clients that start a workflow and send it messages. The SDK has them from the history, and hands
 * them to no handler; in a header, an identity reaches the handler with its message, also when the SDK keeps that for later.
 */
import type { Headers, WorkflowInterceptors } from '@temporalio/workflow';
import { defaultPayloadConverter } from '@temporalio/workflow';
import { handledFor, noteCancelReason, noteStarter } from '../shared/sender';

const IDENTITY_HEADER = 'ospatch-sender';

export function interceptors(): WorkflowInterceptors {
  return {
    internals: [
      {
        activate(input, next) {
          for (const { initializeWorkflow, cancelWorkflow, signalWorkflow, doUpdate } of input.activation.jobs ?? []) {
            if (initializeWorkflow) noteStarter(initializeWorkflow.identity ?? '');
            if (cancelWorkflow) noteCancelReason(cancelWorkflow.reason ?? '');
            if (signalWorkflow) signalWorkflow.headers = withIdentity(signalWorkflow.headers, signalWorkflow.identity);
            if (doUpdate) doUpdate.headers = withIdentity(doUpdate.headers, doUpdate.meta?.identity);
          }
          return next(input);
        },
      },
    ],
    inbound: [
      {
        handleSignal: (input, next) => handledFor(identityIn(input.headers), () => next(input)),
        validateUpdate: (input, next) => handledFor(identityIn(input.headers), () => next(input)),
        handleUpdate: (input, next) => handledFor(identityIn(input.headers), () => next(input)),
      },
    ],
  };
}

/** Whatever the sender has put there is replaced. */
function withIdentity(headers: Headers | null | undefined, identity: string | null | undefined): Headers {
  return { ...headers, [IDENTITY_HEADER]: defaultPayloadConverter.toPayload(identity ?? '') };
}

function identityIn({ [IDENTITY_HEADER]: payload }: Headers): string {
  return payload === undefined ? '' : defaultPayloadConverter.fromPayload<string>(payload);
}
