/**
 * Keeps the identities of the clients that start a workflow and send it messages, and whether these were encrypted. The SDK hands
 * neither to a handler; in a header, both reach the handler with its message, also when the SDK keeps that for later.
 *
 * A workflow that was started encrypted takes from other workflows encrypted messages only, and from activities and children
 * encrypted results. Temporal's API lets anybody send the one and complete the other.
 */
import type { Headers, WorkflowInterceptors } from '@temporalio/workflow';
import { defaultPayloadConverter, log } from '@temporalio/workflow';
import { isInternalSignal } from '../../contract/messages';
import type { Sender } from '../shared/sender';
import { handledFor, noteCancelReason, noteStarter, startWasEncrypted } from '../shared/sender';
import { areAuthentic } from './authentic-payloads';
import { refuseForgedResult } from './forged-results';

/** `CONTINUE_AS_NEW_INITIATOR_WORKFLOW`. */
const BY_WORKFLOW = 1;

const SENDER_HEADER = 'ospatch-sender';

export function interceptors(): WorkflowInterceptors {
  return {
    internals: [
      {
        activate(input, next) {
          for (const job of input.activation.jobs ?? []) {
            const { initializeWorkflow, cancelWorkflow, signalWorkflow, doUpdate } = job;
            if (initializeWorkflow) {
              const {
                identity,
                arguments: content,
                continuedFromExecutionRunId,
                continuedInitiator,
              } = initializeWorkflow;
              // A cron schedule and a retry begin with the argument of the client again.
              const isContinued = (continuedFromExecutionRunId ?? '') !== '' && continuedInitiator === BY_WORKFLOW;
              noteStarter({ identity: identity ?? '', isEncrypted: areAuthentic(content) }, isContinued);
            }
            if (cancelWorkflow) noteCancelReason(cancelWorkflow.reason ?? '');
            if (signalWorkflow) {
              const { headers, identity, input: content } = signalWorkflow;
              signalWorkflow.headers = withSender(headers, identity, areAuthentic(content));
            }
            if (doUpdate) {
              doUpdate.headers = withSender(doUpdate.headers, doUpdate.meta?.identity, areAuthentic(doUpdate.input));
            }
            if (startWasEncrypted()) refuseForgedResult(job);
          }
          return next(input);
        },
      },
    ],
    inbound: [
      {
        handleSignal: async (input, next) => {
          const sender = senderIn(input.headers);
          if (startWasEncrypted() && isInternalSignal(input.signalName) && !sender.isEncrypted) {
            log.warn('a signal of another workflow that is not encrypted was ignored', { signal: input.signalName });
            return;
          }
          await handledFor(sender, () => next(input));
        },
        validateUpdate: (input, next) => handledFor(senderIn(input.headers), () => next(input)),
        handleUpdate: (input, next) => handledFor(senderIn(input.headers), () => next(input)),
      },
    ],
    outbound: [
      {
        // What has no content cannot be encrypted.
        signalWorkflow: (input, next) => next({ ...input, args: input.args.length === 0 ? [null] : input.args }),
      },
    ],
  };
}

/** Whatever the sender has put there is replaced. */
function withSender(
  headers: Headers | null | undefined,
  identity: string | null | undefined,
  isEncrypted: boolean,
): Headers {
  const sender: Sender = { identity: identity ?? '', isEncrypted };
  return { ...headers, [SENDER_HEADER]: defaultPayloadConverter.toPayload(sender) };
}

function senderIn({ [SENDER_HEADER]: payload }: Headers): Sender {
  return payload === undefined
    ? { identity: '', isEncrypted: false }
    : defaultPayloadConverter.fromPayload<Sender>(payload);
}
