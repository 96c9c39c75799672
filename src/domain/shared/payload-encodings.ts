/** Payload metadata written only by ospatch. Processes that cannot decode a payload use it to report the reason. */

/** Encrypted with the key named by {@link ENCRYPTION_KEY}. */
export const ENCRYPTED_ENCODING = 'binary/ospatch-aes-256-gcm';

/** Name and fingerprint of a key. */
export const ENCRYPTION_KEY = 'ospatch-key';

/** What an encrypted payload is bound to: the text of a {@link PayloadPlace}. */
export const ENCRYPTION_PLACE = 'ospatch-place';

export const COMPRESSED_ENCODING = 'binary/ospatch-zlib';

/**
 * Metadata that the codec of a worker gives to what it has decoded, and that it removes from everything that arrives:
 * the payload was encrypted with a key of the worker, for the very workflow that reads it.
 */
export const AUTHENTIC = 'ospatch-authentic';

/** The same for what the codec could not decode: an {@link UnreadableReason}. */
export const UNREADABLE_REASON = 'ospatch-unreadable';

/** `key`: not among the keys; `place`: encrypted for another workflow; `damaged`: changed, cut off, or too large. */
export type UnreadableReason = 'key' | 'place' | 'damaged';

/** Where a payload belongs: what a workflow is sent and answers, or what passes between it and its activities. */
export interface PayloadPlace {
  kind: 'workflow' | 'activity';
  namespace: string;
  workflowId: string;
}

/** The text is a part of what is authenticated, and equal for equal places only. Null: of no workflow. */
export function placeText(place: PayloadPlace | null): string {
  return place === null ? '[]' : JSON.stringify([place.kind, place.namespace, place.workflowId]);
}

/** Null: of no workflow, or no text of ours. */
export function parsePlace(text: string): PayloadPlace | null {
  try {
    const [kind, namespace, workflowId] = JSON.parse(text) as unknown[];
    if (kind !== 'workflow' && kind !== 'activity') return null;
    return typeof namespace === 'string' && typeof workflowId === 'string' ? { kind, namespace, workflowId } : null;
  } catch {
    return null;
  }
}
