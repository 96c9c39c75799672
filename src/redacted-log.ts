/** The log of the worker: JSON lines without secrets, whatever a library puts into an error. */
import type { DestinationStream, Logger, LoggerOptions } from 'pino';
import pino from 'pino';
import { defined } from './domain/shared/defined';
import { redactSecrets } from './domain/shared/redact';
import { currentSpan } from './tracing/current';

/** Fields are nested three deep at most, errors with their causes deeper. */
const MAX_DEPTH = 8;

/** @param logTo default: standard output */
export function redactedLog(level: string, logTo?: DestinationStream): Logger {
  const options: LoggerOptions = {
    level,
    formatters: { log: cleanFields },
    mixin: () => ({ ...currentSpan() }),
    hooks: {
      logMethod(args, method) {
        const cleaned = args.map((arg: unknown) => (typeof arg === 'string' ? redactSecrets(arg) : arg));
        // The message of an error that is logged alone.
        const [first] = cleaned;
        if (first instanceof Error && cleaned.length === 1) cleaned.push(redactSecrets(first.message));
        method.apply(this, cleaned as typeof args);
      },
    },
  };
  return logTo === undefined ? pino(options) : pino(options, logTo);
}

/** What a library puts into an error must not end the worker that logs the error. */
function cleanFields(fields: Record<string, unknown>): Record<string, unknown> {
  try {
    return clean(fields, MAX_DEPTH) as Record<string, unknown>;
  } catch (error) {
    return { unlogged: error instanceof Error ? error.name : 'unknown reason' };
  }
}

function clean(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return redactSecrets(value);
  if (typeof value !== 'object' || value === null) return value;
  if (depth === 0) return '...';
  if (value instanceof Error) {
    const { name, message, stack, cause } = value;
    const fields = { ...(value as object), name, message, stack, ...defined({ cause }) };
    // pino shows the class of an error. Its prototype may have fields that cannot be assigned to, such as Temporal's names.
    const copy = Object.getOwnPropertyDescriptors(clean(fields, depth - 1) as object);
    return Object.create(Object.getPrototypeOf(value) as object, copy) as object;
  }
  if ('toJSON' in value && typeof value.toJSON === 'function') return clean(value.toJSON(), depth - 1);
  if (Array.isArray(value)) return value.map((one) => clean(one, depth - 1));
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, clean(one, depth - 1)]));
}
