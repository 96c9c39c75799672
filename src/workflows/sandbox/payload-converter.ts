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
import { COMPRESSED_ENCODING, ENCRYPTED_ENCODING, ENCRYPTION_KEY } from '../../domain/shared/payload-encodings';
import { plainText } from '../../domain/shared/text';
import { PAYLOAD_ENCRYPTED, PAYLOAD_UNREADABLE, unreadable } from '../../domain/shared/unreadable';
import { isForgiven } from './forgiven-payloads';

class ForgivingPayloadConverter implements PayloadConverter {
  toPayload<T>(value: T): Payload {
    return defaultPayloadConverter.toPayload(value);
  }

  fromPayload<T>(payload: Payload): T {
    try {
      return defaultPayloadConverter.fromPayload<T>(payload);
    } catch (cause) {
      if (isForgiven(payload)) return unreadable(whatToDo(payload, cause)) as T;
      throw new Error(explain(payload, cause), { cause });
    }
  }
}

/** Of a message, somebody has just sent it and reads this as the answer. */
function whatToDo(payload: Payload, cause: unknown): string {
  const isEncrypted = textOf(payload.metadata?.['encoding']) === ENCRYPTED_ENCODING;
  return `${explain(payload, cause)}${isEncrypted ? '; workers and commands need the same OSPATCH_ENCRYPTION_KEYS' : ''}`;
}

function explain({ metadata }: Payload, cause: unknown): string {
  const encoding = textOf(metadata?.['encoding']);
  if (encoding === ENCRYPTED_ENCODING) {
    const key = textOf(metadata?.[ENCRYPTION_KEY]);
    return `a ${PAYLOAD_ENCRYPTED} ${key}, and this worker cannot decrypt it: the key is not among its keys, or the payload was changed in Temporal`;
  }
  if (encoding === COMPRESSED_ENCODING) return `a compressed ${PAYLOAD_UNREADABLE}: it is damaged`;
  if (encoding === 'json/plain') return `a ${PAYLOAD_UNREADABLE}: it is not JSON (${messageOf(cause)})`;
  return `a ${PAYLOAD_UNREADABLE}: its encoding is ${encoding === '' ? 'none' : encoding}, which this worker does not know; a newer worker may`;
}

function messageOf(cause: unknown): string {
  return plainText(cause instanceof Error ? cause.message : String(cause), 200);
}

function textOf(bytes: Uint8Array | null | undefined): string {
  return plainText(String.fromCharCode(...(bytes ?? []).slice(0, 200)), 100);
}

export const payloadConverter = new ForgivingPayloadConverter();
