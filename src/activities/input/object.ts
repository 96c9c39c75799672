/** Builds schemas of activity inputs from the contract's types, and counts what an input contains before it is parsed. */
import { z } from 'zod';

/** A schema per field of `T`; an optional field may also be absent. */
type FieldSchemas<T> = { [K in keyof T]-?: z.ZodType<T[K] | (undefined extends T[K] ? undefined : never)> };

/**
 * The schema of an object with exactly the fields of `T`: a field of the contract without a schema does not compile.
 *
 * Unknown fields are dropped. A newer release gives a new protocol number to each field that an older worker must not
 * ignore, and an input with an unknown number is refused before.
 */
export function object<T extends object>(fields: FieldSchemas<T>): z.ZodType<T> {
  return z.object(fields, { error: 'an object' }) as unknown as z.ZodType<T>;
}

/** A list; a longer one is refused before its entries are parsed. */
export function list<T>(entry: z.ZodType<T>, max: number): z.ZodType<T[]> {
  const error = `a list of at most ${max} entries`;
  return z.array(z.unknown(), { error }).max(max, { error, abort: true }).pipe(z.array(entry));
}

/** More values than in the input for the largest cluster: 5,000 nodes with a full chain of jump hosts. */
const MAX_VALUES = 1_000_000;
const MAX_LEVELS = 40;

/** Why a value is not worth parsing, as the end of a sentence; null when it is. */
export function oversized(value: unknown): string | null {
  let values = 0;
  const visit = (one: unknown, level: number): string | null => {
    if (typeof one !== 'object' || one === null) return null;
    if (level > MAX_LEVELS) return `has more than ${MAX_LEVELS} levels`;
    const inner: unknown[] = Array.isArray(one) ? one : Object.values(one);
    values += inner.length;
    if (values > MAX_VALUES) return `has more than ${MAX_VALUES} values`;
    for (const next of inner) {
      const found = visit(next, level + 1);
      if (found !== null) return found;
    }
    return null;
  };
  return visit(value, 1);
}
