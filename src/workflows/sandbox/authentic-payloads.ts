/**
 * Payloads that the codec of the worker has decrypted, and that were encrypted for the workflow that reads them. The codec
 * removes the mark from everything that arrives, so that no sender can claim it.
 */
import type { Payload } from '@temporalio/common';
import { AUTHENTIC } from '../../domain/shared/payload-encodings';

export function isAuthentic(payload: Payload | null | undefined): boolean {
  return AUTHENTIC in (payload?.metadata ?? {});
}

/** All of them; false when there is none. */
export function areAuthentic(payloads: readonly Payload[] | null | undefined): boolean {
  return (payloads ?? []).length > 0 && (payloads ?? []).every((one) => isAuthentic(one));
}

// A marker on the value, because converter and interceptors may be loaded from different copies. JSON has no symbols.
const ENCRYPTED = Symbol.for('ospatch.encrypted');

/** Remembers that `value` comes from such a payload. */
export function noteEncrypted<T>(value: T): T {
  if (typeof value === 'object' && value !== null) Object.defineProperty(value, ENCRYPTED, { value: true });
  return value;
}

/** Whether an object comes from such a payload. Unknown, so false, of strings and numbers. */
export function wasEncrypted(value: unknown): boolean {
  return typeof value === 'object' && value !== null && ENCRYPTED in value;
}
