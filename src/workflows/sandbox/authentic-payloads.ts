/**
 * Payloads that the codec of the worker has decrypted, and that were encrypted for the workflow that reads them. The codec
 * removes the mark from everything that arrives, so that no sender can claim it.
 */
import type { Payload } from '@temporalio/common';
import { AUTHENTIC, ENCRYPTED_ENCODING } from '../../domain/shared/payload-encodings';

export function isAuthentic(payload: Payload | null | undefined): boolean {
  return AUTHENTIC in (payload?.metadata ?? {});
}

/** All of them; false when there is none. */
export function areAuthentic(payloads: readonly Payload[] | null | undefined): boolean {
  return (payloads ?? []).length > 0 && (payloads ?? []).every((one) => isAuthentic(one));
}

/** Whether it is encrypted still, because the codec could not decrypt it. */
export function isUndecrypted(payload: Payload | null | undefined): boolean {
  return String.fromCharCode(...(payload?.metadata?.['encoding'] ?? [])) === ENCRYPTED_ENCODING;
}
