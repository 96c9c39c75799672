/**
 * Who has sent what a workflow is handling, as far as Temporal knows: the identity that the client gave itself. It is recorded in
 * the history, so a replay finds the same.
 */
import { getActivator } from '@temporalio/workflow/lib/global-attributes';
import { MAX_SENTENCE, MAX_WORD } from '../../domain/cluster/messages';
import { plainText } from '../../domain/shared/text';

interface Senders {
  starter: string;
  /** Why the workflow was cancelled. */
  cancelReason: string;
  /** Of the message whose handler is being called. */
  current: string;
}

/** By the activator of a workflow, because all workflows of a worker share this module. */
const known = new WeakMap<object, Senders>();

function senders(): Senders {
  const workflow = getActivator();
  const own = known.get(workflow) ?? { starter: '', cancelReason: '', current: '' };
  known.set(workflow, own);
  return own;
}

/** `identity`: of the client that has started this execution. */
export function noteStarter(identity: string): void {
  senders().starter = identity;
}

/** `reason`: of a request to cancel the workflow, which has no other content and whose sender is not known. */
export function noteCancelReason(reason: string): void {
  senders().cancelReason = reason;
}

export function cancelReason(): string | undefined {
  return plainText(senders().cancelReason, MAX_SENTENCE) || undefined;
}

/** Calls the handler of a message from `identity`. */
export function handledFor<T>(identity: string, handle: () => T): T {
  const own = senders();
  const before = own.current;
  own.current = identity;
  try {
    return handle();
  } finally {
    own.current = before;
  }
}

/** Of the message that has just arrived; undefined: not given. Known to a handler until its first `await`. */
export function senderIdentity(): string | undefined {
  return named(senders().current);
}

/** Of whoever has started the workflow; undefined: not given. */
export function starterIdentity(): string | undefined {
  return named(senders().starter);
}

/** Anybody may call himself anything. */
function named(identity: string): string | undefined {
  return plainText(identity, MAX_WORD) || undefined;
}
