/**
 * Schemas of single spec values. Each error text says what is allowed; `zod-messages.ts` prepends the value found. The
 * `describe` texts appear in the JSON Schema and the reference page.
 */
import { z } from 'zod';
import { EXCLUDE_PATTERN, MAX_EXCLUDE_CHARS } from './package-policy';
import { DURATION_FORMAT, DURATION_PATTERN, parseDuration } from '../shared/duration';
import { LABEL_SELECTOR_FORMAT, parseLabelSelector } from '../shared/label-selector';
import { HOST_FORMAT, isHost } from '../trust/hosts';
import { IN_CLUSTER, KUBECONFIG_NAME } from '../kubernetes/types';
import { HOST_KEY_FORMAT, hostKeyFault, parseTrustEntry } from '../trust/host-keys';
import { show } from './issues';
import { USER_NAME, USER_NAME_FORMAT } from '../trust/user-name';
import { MAX_UNIT_GLOB_CHARS, UNIT_GLOB_PATTERN } from './restart-policy';

const LABEL_VALUE = /^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/;
const DNS_SUBDOMAIN = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/;
// Line breaks and tabs are allowed; terminal controls and bidirectional marks are not.
const PRINTABLE = /^(?:[^\p{Cc}\p{Bidi_Control}]|[\n\t])*$/u;

/** Text that matches a pattern; `allowed` completes the sentence "found X; allowed: ...". */
function text(pattern: RegExp, allowed: string) {
  return z.string({ error: allowed }).regex(pattern, { error: allowed });
}

export function choice<const T extends readonly [string, ...string[]]>(values: T) {
  return z.enum(values, { error: values.join(', ') });
}

export function flag() {
  return z.boolean({ error: 'true, false' });
}

export function wholeNumber(min: number, max: number) {
  const error = `a whole number from ${min} to ${max}`;
  return z.int({ error }).min(min, { error }).max(max, { error });
}

/** `instead`: how to express a value outside the range, e.g. `omit it for no limit`. */
export function duration(shortest: string, longest: string, instead?: string) {
  const allowed = `${DURATION_FORMAT}, from ${shortest} to ${longest}${instead === undefined ? '' : `; ${instead}`}`;
  const error = ({ input }: { input?: unknown }): string => {
    if (/^[1-9]\d{0,7}$/.test(String(input))) {
      return `found ${show(input)}; did you mean "${String(input)}s"? allowed: ${allowed}`;
    }
    return typeof input === 'number' ? `found ${input}; allowed: ${allowed}` : allowed;
  };
  const [min, max] = [parseDuration(shortest), parseDuration(longest)];
  return z
    .string({ error })
    .regex(DURATION_PATTERN, { error, abort: true })
    .refine((value) => parseDuration(value) >= min && parseDuration(value) <= max, { error });
}

export const maxRunAge = duration('1d', '365d')
  .default('14d')
  .describe(
    'How old a run may be that waits for its next maintenance window or for a decision: it ends as expired, and the next window starts a new run.',
  );

export const clusterName = text(
  /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
  'at most 63 lower-case letters, digits and hyphens, beginning and ending with a letter or digit, e.g. prod-eu',
);

const reasonFormat = 'text of 1 to 100 characters in one line';
/** Why something is so, for status and history. */
export const reason = z.string({ error: reasonFormat }).regex(/^(?=.*\S)[^\p{Cc}\p{Bidi_Control}]{1,100}$/u, {
  error: reasonFormat,
});
export const description = text(PRINTABLE, 'text without control characters, at most 1000 characters').max(1_000, {
  error: 'text without control characters, at most 1000 characters',
});

export const timeZone = text(
  /^[A-Za-z][A-Za-z0-9_+-]*(\/[A-Za-z0-9_+-]+)*$/,
  'an IANA time zone, e.g. Europe/Berlin or UTC',
);

const cronForm = 'five cron fields as text: minute hour day-of-month month day-of-week, e.g. "30 2 * * SUN#2"';
export const cronExpression = text(/\S/, cronForm).max(200, { error: cronForm });

export const userName = text(USER_NAME, USER_NAME_FORMAT);

export const identity = text(
  /^(?:[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,127}|agent:SHA256:[A-Za-z0-9+/]{43})$/,
  "the bare name of a key file in the worker's key directory (no path, no leading dot), agent, or one key of the agent: agent:SHA256:FINGERPRINT, as `ssh-add -l` shows it",
);

export const knownHostsFile = text(
  /^(?!\.\.?$)[A-Za-z0-9_.][A-Za-z0-9_.@+-]{0,127}$/,
  'the bare name of a file beside the spec (no path), e.g. known_hosts',
);

export const nodeName = text(
  DNS_SUBDOMAIN,
  'lower-case letters, digits, hyphens and dots as in a Kubernetes node name, e.g. worker-1',
);

export const host = z.string({ error: HOST_FORMAT }).refine(isHost, { error: HOST_FORMAT });

const zoneForm = 'at most 63 letters, digits, hyphens, dots and underscores, e.g. eu-central-1a';
export const zone = text(LABEL_VALUE, zoneForm);

const labelKeyForm = 'a label key as in Kubernetes, e.g. tier or example.com/tier';
export const labelKey = text(
  /^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/,
  labelKeyForm,
);
const labelValueForm =
  'text of at most 63 letters, digits, hyphens, dots and underscores (quote numbers and true/false)';
export const labelValue = text(/^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$/, labelValueForm);

export const programName = text(
  /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/,
  'the bare name of a program: at most 64 letters, digits, dots, hyphens and underscores (no path, no leading dot)',
);

export const calendarFile = text(
  /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/,
  'the bare name of a calendar file: at most 64 letters, digits, dots, hyphens and underscores (no path, no leading dot)',
);

export const hostKey = z
  .string({ error: HOST_KEY_FORMAT })
  .refine((value) => parseTrustEntry(value) !== null, { error: ({ input }) => hostKeyFault(String(input)) });

const kubeconfigForm = `${IN_CLUSTER}, or the bare name of a file in the worker's kubeconfig directory (no path, no leading dot)`;
export const kubeconfig = text(KUBECONFIG_NAME, kubeconfigForm).refine(
  (name) => name === IN_CLUSTER || !isLikeInCluster(name),
  {
    error: ({ input }) => `found ${show(input)}; did you mean "${IN_CLUSTER}"? allowed: ${kubeconfigForm}`,
  },
);

/** A misspelt `in-cluster`: no kubeconfig file has such a name. */
function isLikeInCluster(name: string): boolean {
  return /^in[-_.]?cluster$/i.test(name);
}

export const kubeContext = text(
  /^[A-Za-z0-9_][A-Za-z0-9_.:/@+=-]{0,252}$/,
  'the name of a context: at most 253 letters, digits and . _ : / @ + = -',
);

export const namespace = text(
  /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
  'the name of a namespace: at most 63 lower-case letters, digits and hyphens',
);

export const labelSelector = z
  .string({ error: LABEL_SELECTOR_FORMAT })
  .max(1_000, { error: `${LABEL_SELECTOR_FORMAT}, at most 1000 characters`, abort: true })
  .superRefine((text, check) => {
    const parsed = parseLabelSelector(text);
    if (parsed.ok) return;
    check.addIssue({ code: 'custom', message: `${LABEL_SELECTOR_FORMAT} (${parsed.problem})` });
  });

export const taskQueue = text(
  /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/,
  'the name of a task queue: at most 100 letters, digits, dots, hyphens and underscores, e.g. site-b',
);

export const packageGlob = text(
  EXCLUDE_PATTERN,
  `a package name of at most ${MAX_EXCLUDE_CHARS} letters, digits and . _ + : -, in which * and ? stand for any characters, e.g. nginx*`,
);

export const unitGlob = text(
  UNIT_GLOB_PATTERN,
  `a service name of at most ${MAX_UNIT_GLOB_CHARS} letters, digits and . _ : @ -, in which * and ? stand for any characters, e.g. php*-fpm`,
);
