/** Why a target has not taken a message. */
import { isHttpFailure } from '../http/failure';
import { OspatchError } from '../domain/shared/errors';
import { redactSecrets } from '../domain/shared/redact';
import { plainText } from '../domain/shared/text';
import { hideSecrets } from '../secret-file';

/** The message is a clause without secrets. */
export class DeliveryFailure extends Error {
  override readonly name = 'DeliveryFailure';

  constructor(
    message: string,
    /** A later attempt may succeed. */
    readonly isTransient: boolean,
    readonly remedy?: string,
    /** As the target has asked for, in milliseconds. */
    readonly retryAfterMs?: number,
  ) {
    super(message);
  }
}

/** Secrets of a message, which appear in no text. */
export function withoutSecrets(text: string, secrets: readonly string[]): string {
  return plainText(redactSecrets(hideSecrets(text, secrets)), 200);
}

export function toDeliveryFailure(error: unknown): unknown {
  if (!isHttpFailure(error)) return error;
  if (error.kind === 'denied') {
    return new OspatchError({ type: 'Denied', message: error.message, ...(error.remedy && { remedy: error.remedy }) });
  }
  // What is wrong with a URL in a file can be corrected within the day.
  return new DeliveryFailure(error.message, true, error.remedy);
}
