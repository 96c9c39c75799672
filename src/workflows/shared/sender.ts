/**
 * Who has sent what a workflow is handling, as far as Temporal knows: the identity that the client gave itself, and whether the
 * message was encrypted with a key of the workers for this very workflow. Both follow from the history (and the keys), so a
 * replay finds the same.
 */
import { getActivator } from '@temporalio/workflow/lib/global-attributes';
import { MAX_SENTENCE, MAX_WORD } from '../../domain/cluster/messages';
import { plainText } from '../../domain/shared/text';

/** Of one message. */
export interface Sender {
  identity: string;
  /** False too for a message without any content. */
  isEncrypted: boolean;
}

interface Senders {
  starter: Sender;
  /** The execution before has continued as this one, of its own accord. */
  isContinued: boolean;
  /** Why the workflow was cancelled. */
  cancelReason: string;
  /** Of the message whose handler is being called. */
  current: Sender;
}

const NOBODY: Sender = { identity: '', isEncrypted: false };

/** By the activator of a workflow, because all workflows of a worker share this module. */
const known = new WeakMap<object, Senders>();

function senders(): Senders {
  const workflow = getActivator();
  const own = known.get(workflow) ?? { starter: NOBODY, isContinued: false, cancelReason: '', current: NOBODY };
  known.set(workflow, own);
  return own;
}

/** `starter`: the client that has started this execution. `isContinued`: no client has, but the execution before. */
export function noteStarter(starter: Sender, isContinued: boolean): void {
  const own = senders();
  own.starter = starter;
  own.isContinued = isContinued;
}

/** Whether the execution before has continued as this one: what it was started with is from a workflow. */
export function isContinued(): boolean {
  return senders().isContinued;
}

/** `reason`: of a request to cancel the workflow, which has no other content and whose sender is not known. */
export function noteCancelReason(reason: string): void {
  senders().cancelReason = reason;
}

export function cancelReason(): string | undefined {
  return plainText(senders().cancelReason, MAX_SENTENCE) || undefined;
}

/** Calls the handler of a message from `sender`. */
export function handledFor<T>(sender: Sender, handle: () => T): T {
  const own = senders();
  const before = own.current;
  own.current = sender;
  try {
    return handle();
  } finally {
    own.current = before;
  }
}

/** Of the message that has just arrived; undefined: not given. Known to a handler until its first `await`. */
export function senderIdentity(): string | undefined {
  return named(senders().current.identity);
}

/** Of whoever has started the workflow; undefined: not given. */
export function starterIdentity(): string | undefined {
  return named(senders().starter.identity);
}

/**
 * Whether the message that has just arrived was encrypted with a key of the workers, for this workflow. No plain message can
 * claim that. Known to a handler until its first `await`. What follows from it must not depend on a setting here: hand it to a
 * local activity, whose answer is recorded.
 */
export function messageWasEncrypted(): boolean {
  return senders().current.isEncrypted;
}

/** The same of the argument that the workflow was started with. */
export function startWasEncrypted(): boolean {
  return senders().starter.isEncrypted;
}

/** Anybody may call himself anything. */
function named(identity: string): string | undefined {
  return plainText(identity, MAX_WORD) || undefined;
}
