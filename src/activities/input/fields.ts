/** Schemas of single values of activity inputs that no spec has. Those of specs are in `domain/spec/fields.ts`. */
import { z } from 'zod';
import { parseTrustEntry } from '../../domain/trust/host-keys';
import { DAY_MS } from '../../domain/shared/time-units';
import { wholeNumber } from '../../domain/spec/fields';

/** Years; what is longer than any wait, e.g. of a node that was followed for months. */
const MAX_OBSERVED_MS = 3_660 * DAY_MS;
const MAX_TIMEOUT_MS = 7 * DAY_MS;

/** The last instant of a Date. */
const MAX_EPOCH_MS = 8.64e15;

const TOKEN_FORMAT = '16 hexadecimal digits';
const INSTANT_FORMAT = 'a time as ISO 8601 in UTC, e.g. 2027-03-01T02:30:00.000Z';
const INSTANT = /^[+-]?\d{4,6}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?Z$/;
const HOST_KEY_FORMAT = 'a host key in its normalised form';

/** Longer keys of known types do not exist. */
const MAX_HOST_KEY_CHARS = 16_384;

function milliseconds(max: number) {
  const error = `milliseconds, from 0 to ${max}`;
  return z.number({ error }).min(0, { error }).max(max, { error });
}

/** Present only when set. */
export const flagSet = z.literal(true, { error: 'true, or absent' });

/** A limit. */
export const timeoutMs = milliseconds(MAX_TIMEOUT_MS);

/** Time that earlier attempts have counted. */
export const observedMs = milliseconds(MAX_OBSERVED_MS);

export const epochMs = milliseconds(MAX_EPOCH_MS);

export const count = wholeNumber(0, 10_000_000);

export const runNumber = wholeNumber(1, 2_000_000_000);

/** Of a workflow; part of job ids. */
export const jobAttempt = wholeNumber(0, 999_999);

export const instant = z
  .string({ error: INSTANT_FORMAT })
  .regex(INSTANT, { error: INSTANT_FORMAT })
  .refine((text) => !Number.isNaN(Date.parse(text)), { error: INSTANT_FORMAT });

export const token = word(/^[0-9a-f]{16}$/, TOKEN_FORMAT);

/** A value of letters, digits and punctuation that no shell, URL or header interprets. */
export const code = word(/^[A-Za-z0-9._:+-]{1,128}$/, 'at most 128 letters, digits and . _ : + -');

export const codeOrEmpty = word(/^[A-Za-z0-9._:+-]{0,128}$/, 'at most 128 letters, digits and . _ : + -');

export const bootId = word(/^[0-9a-f-]{8,64}$/, 'a boot id');

export const planDigest = word(/^[0-9a-f]{64}$/, 'a SHA-256 digest');

/** One line for people: no control characters, no bidirectional marks. */
export function singleLine(max: number) {
  return word(new RegExp(`^[^\\p{Cc}\\p{Bidi_Control}]{0,${max}}$`, 'u'), `one line of at most ${max} characters`);
}

/** Specs hold them parsed; other forms could bring further lines into a known_hosts file. */
export const parsedHostKey = z
  .string({ error: HOST_KEY_FORMAT })
  .max(MAX_HOST_KEY_CHARS, { error: HOST_KEY_FORMAT, abort: true })
  .refine((text) => parseTrustEntry(text) === text, { error: HOST_KEY_FORMAT });

/** Ids of workflows of clusters: `cluster/NAME`, with further parts. */
export const workflowId = word(
  /^cluster\/[a-z0-9][a-z0-9-]{0,62}(?:\/[A-Za-z0-9._-]{1,260}){0,4}$/,
  'the id of a workflow of a cluster',
);

/** Empty: the latest. */
export const workflowRunId = word(/^[A-Za-z0-9-]{0,64}$/, 'the run id of a workflow');

function word(pattern: RegExp, allowed: string) {
  return z.string({ error: allowed }).regex(pattern, { error: allowed });
}
