/** Payloads that may be unreadable without failing the workflow task. */
import type { Payload } from '@temporalio/common';

// A marker on the payload, because converter and interceptors may be loaded from different copies.
const FORGIVEN = Symbol.for('ospatch.forgiven');

export function forgive(payloads: readonly object[] | null | undefined): void {
  for (const payload of payloads ?? []) Object.defineProperty(payload, FORGIVEN, { value: true });
}

export function isForgiven(payload: Payload): boolean {
  return FORGIVEN in payload;
}
