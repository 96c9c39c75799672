/**
 * The default converter, except for payloads that cannot be read: of an unknown encoding, encrypted with an unknown key,
 * damaged, broken JSON.
 *
 * Anybody who may signal a workflow can send any bytes. The default converter throws on them, and that fails the
 * workflow task again and again: one bad signal would stop a cluster for ever. So in signals, updates and queries (see
 * `unreadable-messages.ts`) a value stands in for such a payload that every message parser refuses like any other
 * unknown input. Everything else, such as the state of a cluster, must be read as it was written: the task fails and
 * waits for a worker that can read it.
 */
import type { Payload, PayloadConverter } from '@temporalio/common';
import { defaultPayloadConverter } from '@temporalio/common';
import {
  COMPRESSED_ENCODING,
  ENCRYPTED_ENCODING,
  ENCRYPTION_KEY,
  ENCRYPTION_PLACE,
  UNREADABLE_REASON,
  parsePlace,
} from '../../domain/shared/payload-encodings';
import { noteEncrypted } from '../../domain/shared/encrypted-values';
import { plainText } from '../../domain/shared/text';
import { PAYLOAD_ENCRYPTED, PAYLOAD_UNREADABLE, unreadable } from '../../domain/shared/unreadable';
import { isAuthentic } from './authentic-payloads';
import { isForgiven } from './forgiven-payloads';

class ForgivingPayloadConverter implements PayloadConverter {
  toPayload<T>(value: T): Payload {
    return defaultPayloadConverter.toPayload(value);
  }

  fromPayload<T>(payload: Payload): T {
    try {
      const value = defaultPayloadConverter.fromPayload<T>(payload);
      return isAuthentic(payload) ? noteEncrypted(value) : value;
    } catch (cause) {
      if (isForgiven(payload)) return unreadable(whatToDo(payload, cause)) as T;
      throw new Error(explain(payload, cause), { cause });
    }
  }
}

/** Of a message, somebody has just sent it and reads this as the answer. */
function whatToDo(payload: Payload, cause: unknown): string {
  const { encoding, [UNREADABLE_REASON]: reason } = payload.metadata ?? {};
  const needsKey = textOf(encoding) === ENCRYPTED_ENCODING && textOf(reason) !== 'place';
  return `${explain(payload, cause)}${needsKey ? '; workers and commands need the same OSPATCH_ENCRYPTION_KEYS' : ''}`;
}

function explain({ metadata }: Payload, cause: unknown): string {
  const encoding = textOf(metadata?.['encoding']);
  if (encoding === ENCRYPTED_ENCODING) {
    const key = textOf(metadata?.[ENCRYPTION_KEY]);
    if (textOf(metadata?.[UNREADABLE_REASON]) === 'place') return misplaced(metadata?.[ENCRYPTION_PLACE]);
    return `a ${PAYLOAD_ENCRYPTED} ${key}, and this worker cannot decrypt it: the key is not among its keys, or the payload was changed in Temporal`;
  }
  if (encoding === COMPRESSED_ENCODING) return `a compressed ${PAYLOAD_UNREADABLE}: it is damaged`;
  if (encoding === 'json/plain') return `a ${PAYLOAD_UNREADABLE}: it is not JSON (${messageOf(cause)})`;
  return `a ${PAYLOAD_UNREADABLE}: its encoding is ${encoding === '' ? 'none' : encoding}, which this worker does not know; a newer worker may`;
}

/** The place is authenticated. */
function misplaced(bytes: Uint8Array | null | undefined): string {
  const place = parsePlace(String.fromCharCode(...(bytes ?? []).slice(0, 2_000)));
  const whose = place?.kind === 'activity' ? 'the activities of the workflow' : 'the workflow';
  const where =
    place === null
      ? 'no workflow'
      : `${whose} ${plainText(place.workflowId, 100)} in the namespace ${plainText(place.namespace, 60)}`;
  return `a ${PAYLOAD_UNREADABLE}: it was encrypted for ${where}, and was copied here in Temporal`;
}

function messageOf(cause: unknown): string {
  return plainText(cause instanceof Error ? cause.message : String(cause), 200);
}

function textOf(bytes: Uint8Array | null | undefined): string {
  return plainText(String.fromCharCode(...(bytes ?? []).slice(0, 200)), 100);
}

export const payloadConverter = new ForgivingPayloadConverter();
