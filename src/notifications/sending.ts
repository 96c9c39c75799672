/** What every kind of target gets to send a message. */
import type { NotifyInput } from '../contract/activities/notification';
import type { ComposedMessage } from '../domain/notifications/compose';
import type { AddressBounds } from '../domain/trust/address-bounds';
import type { CallHttp } from '../http/call';
import type { Secrets } from './secrets';

export interface Sending {
  input: NotifyInput;
  message: ComposedMessage;
  /** The same for all attempts of this message. */
  id: string;
  secrets: Secrets;
  call: CallHttp;
  signal: AbortSignal;
  /**
   * Asks the policy of the worker whether this host may be called; the networks to which its name is bound.
   *
   * @throws OspatchError `Denied`
   */
  allow(host: string): AddressBounds | undefined;
}

/** Kinds of targets, each with a sender of its own. */
export interface Sent {
  /** What the target has answered, in one clause. */
  answer: string;
  thread: NotifyInput['thread'];
}
