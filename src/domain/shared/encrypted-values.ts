/**
 * Values that were encrypted with a key of the worker, for the workflow that has them. Marked with a symbol, which JSON does not
 * have, so no sender can claim it; a global one, because the two sides may be loaded from different copies of this module.
 */
const ENCRYPTED = Symbol.for('ospatch.encrypted');

/** Remembers that `value` was encrypted. */
export function noteEncrypted<T>(value: T): T {
  if (typeof value === 'object' && value !== null) Object.defineProperty(value, ENCRYPTED, { value: true });
  return value;
}

/** Whether an object was encrypted. False of strings and numbers, which cannot be marked. */
export function wasEncrypted(value: unknown): boolean {
  return typeof value === 'object' && value !== null && ENCRYPTED in value;
}
