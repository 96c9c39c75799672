/** Specs in messages: in the start argument of a cluster and in `applySpec`, bare or as `{spec}`. */
import { defined } from '../shared/defined';
import { plainText } from '../shared/text';
import { whyUnreadable } from '../shared/unreadable';
import type { Message } from './messages';
import { MAX_SENTENCE, MAX_WORD, describe } from './messages';
import { SIGNATURE_FORMAT, isSignature } from './signature';

export interface SpecMessage extends Message {
  /** Not validated. Absent: the message has none. */
  spec?: unknown;
  applyId?: string;
}

const FIELDS = ['spec', 'applyId', 'requestId', 'by', 'reason', 'signature'] as const;
type Field = (typeof FIELDS)[number];

const AS_JSON = 'send the spec as a JSON object, bare or as {"spec": {...}}';

/**
 * Parses the argument that carries a spec. A spec is written as in a file, or normalised. `why`: what is wrong with the
 * argument, in one sentence.
 */
export function parseSpecMessage(value: unknown): { ok: true; message: SpecMessage } | { ok: false; why: string } {
  if (value === undefined || value === null) return { ok: true, message: {} };
  const unread = whyUnreadable(value);
  if (unread !== null) return refuse(`the input cannot be read: ${unread}`);
  const shape = shapeProblem('input', value);
  if (shape !== null) return refuse(shape);
  const fields = value as Readonly<Record<string, unknown>>;
  const keys = Object.keys(fields);
  const foreign = keys.find((key) => !isField(key));
  // Whatever else is in it, an object without `spec` that has a field of no message is a spec.
  if (!keys.includes('spec') && foreign !== undefined) return { ok: true, message: { spec: value } };
  if (foreign !== undefined) {
    const others = FIELDS.filter((field) => field !== 'spec').join(', ');
    return refuse(`unknown field ${plainText(foreign, MAX_WORD)} beside spec; allowed: ${others}`);
  }
  const { spec, signature, ...rest } = fields as Partial<Record<Field, unknown>>;
  const isThere = spec !== undefined && spec !== null;
  const inner = isThere ? shapeProblem('spec', spec) : null;
  if (inner !== null) return refuse(inner);
  const isSigned = signature !== undefined && signature !== null;
  if (isSigned && !isSignature(signature))
    return refuse(`signature is ${describe(signature)}; allowed: ${SIGNATURE_FORMAT}`);
  const wrong = Object.entries(rest).find(([, field]) => typeof (field ?? '') !== 'string');
  if (wrong !== undefined) return refuse(`${wrong[0]} is ${describe(wrong[1])}; it must be text`);
  const { applyId, requestId, by, reason } = rest as Partial<Record<Field, string | null>>;
  const message = {
    spec: isThere ? spec : undefined,
    applyId: applyId ?? undefined,
    requestId: requestId ?? undefined,
    by: plainText(by ?? '', MAX_WORD) || undefined,
    reason: plainText(reason ?? '', MAX_SENTENCE) || undefined,
    signature: isSigned ? signature : undefined,
  };
  return { ok: true, message: defined(message) };
}

/** Why there is no cluster without a spec. */
export const NO_FIRST_SPEC = `a cluster starts with its spec as input; ${AS_JSON}`;

/** Why `applySpec` does nothing without a spec. */
export const NO_SPEC = `the message has no spec; ${AS_JSON}`;

function isField(key: string): boolean {
  return FIELDS.some((field) => field === key);
}

function shapeProblem(what: string, value: unknown): string | null {
  if (typeof value === 'string') return `the ${what} is text; ${AS_JSON}; \`yq -o json FILE\` prints YAML as JSON`;
  if (typeof value !== 'object' || Array.isArray(value)) return `the ${what} is ${describe(value)}; ${AS_JSON}`;
  return null;
}

function refuse(why: string): { ok: false; why: string } {
  return { ok: false, why };
}
