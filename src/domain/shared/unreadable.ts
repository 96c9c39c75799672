/** Placeholder for an argument that a worker cannot decode. A string, so that every message parser rejects it. */
import { plainText } from './text';

const UNREADABLE = 'unreadable payload: ';
const MAX_WHY = 300;

export function unreadable(why: string): string {
  return `${UNREADABLE}${why}`;
}

/** Why `value` could not be decoded, as part of a sentence; null when `value` is no placeholder. */
export function whyUnreadable(value: unknown): string | null {
  if (typeof value !== 'string' || !value.startsWith(UNREADABLE)) return null;
  return plainText(value.slice(UNREADABLE.length), MAX_WHY);
}

/** Parts of the messages about undecodable payloads, by which such a failure is recognised in another process. */
export const PAYLOAD_ENCRYPTED = 'payload in Temporal is encrypted with the key';
export const PAYLOAD_UNREADABLE = 'payload in Temporal cannot be read';

/** The same of a workflow that was started without encryption, at a worker that requires it. */
export const START_NOT_ENCRYPTED = 'was not encrypted for it, and this worker requires encryption';

export function isStartNotEncrypted(message: string): boolean {
  return message.includes(START_NOT_ENCRYPTED);
}

/** Whether a failure message reports a missing key. */
export function isKeyMissing(message: string): boolean {
  return message.includes(PAYLOAD_ENCRYPTED);
}

/** Whether a failure message reports a payload that cannot be decoded for another reason. */
export function isUnreadablePayload(message: string): boolean {
  return message.includes(PAYLOAD_UNREADABLE);
}
