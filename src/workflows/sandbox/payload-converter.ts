/**
 * The default converter, except that a payload which cannot be read becomes a value instead of an error.
 *
 * Anybody who may signal a workflow can send any bytes. The default converter throws on an encoding it does not know or
 * on broken JSON, and that fails the workflow task again and again: one bad signal would stop a cluster for ever. The
 * value that stands in for it is refused by every message parser like any other unknown input.
 */
import type { Payload, PayloadConverter } from '@temporalio/common';
import { defaultPayloadConverter } from '@temporalio/common';

export const UNREADABLE = 'unreadable payload';

class ForgivingPayloadConverter implements PayloadConverter {
  toPayload<T>(value: T): Payload {
    return defaultPayloadConverter.toPayload(value);
  }

  fromPayload<T>(payload: Payload): T {
    try {
      return defaultPayloadConverter.fromPayload<T>(payload);
    } catch {
      return UNREADABLE as T;
    }
  }
}

export const payloadConverter = new ForgivingPayloadConverter();
