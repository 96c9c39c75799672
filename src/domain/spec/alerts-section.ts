/** `alerts` of a spec document: the Alertmanager, the silences for nodes in work, and the alerts that hold a run. */
import { z } from 'zod';
import {
  MATCHERS_FORMAT,
  NODE_PLACEHOLDERS,
  PLACEHOLDERS,
  isAlertName,
  matchersProblem,
  parseMatchers,
  placeholdersIn,
  regexProblem,
} from '../alerts/matchers';
import type { AlertsSpec } from '../alerts/types';
import { MAX_ALERTMANAGER_URLS, MAX_MATCHER_SETS, ON_SILENCE_FAILURE } from '../alerts/types';
import { defined } from '../shared/defined';
import { isDuration, parseDuration } from '../shared/duration';
import { SECRET_NAME, SECRET_NAME_FORMAT } from '../shared/secret-name';
import * as field from './fields';
import type { SpecIssue, SpecPath } from './issues';
import { show, valueAt } from './issues';

const MAX_URL_CHARS = 500;
const MAX_ENTRY_CHARS = 500;

const urlForm =
  'the address of an Alertmanager, http or https, without user, query and API path, e.g. https://alertmanager.example.com:9093';
const urlsForm = `${urlForm}; or a list of 1 to ${MAX_ALERTMANAGER_URLS} of them, the replicas of one Alertmanager`;

export const alertmanagerUrl = z
  .string({ error: urlForm })
  .max(MAX_URL_CHARS, { error: urlForm })
  .refine(isBaseUrl, { error: urlForm });

const urls = z.union(
  [
    alertmanagerUrl.transform((one) => [one]),
    z
      .array(alertmanagerUrl, { error: urlsForm })
      .min(1, { error: urlsForm })
      .max(MAX_ALERTMANAGER_URLS, { error: urlsForm }),
  ],
  { error: urlsForm },
);

function isBaseUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password, search, hash, pathname } = new URL(text);
  const isPlain = username === '' && password === '' && search === '' && hash === '';
  return (protocol === 'https:' || protocol === 'http:') && isPlain && !/\/api\/v\d/.test(pathname);
}

const secretFile = z.string({ error: SECRET_NAME_FORMAT }).regex(SECRET_NAME, { error: SECRET_NAME_FORMAT });

const usernameForm = 'a user name of at most 128 characters without a colon';

const basicAuth = z.strictObject(
  {
    username: z
      .string({ error: usernameForm })
      .regex(/^[^\p{Cc}:]{1,128}$/u, { error: usernameForm })
      .describe('Name of the user.'),
    passwordFile: secretFile.describe('Name of a file with the password in the secrets directory of the worker.'),
  },
  { error: 'a mapping with username and passwordFile' },
);

export const alertmanagerFields = {
  url: urls.describe(
    'Address of the Alertmanager as seen from the worker, with the prefix of its paths if it has one; or a list with the addresses of the replicas of one Alertmanager.',
  ),
  bearerTokenFile: secretFile
    .optional()
    .describe('Name of a file with a bearer token in the secrets directory of the worker. Default: no token.'),
  basicAuth: basicAuth.optional().describe('User and password. Default: none.'),
  caFile: secretFile
    .optional()
    .describe(
      'Name of a file in the secrets directory of the worker with the certificates of the authorities to trust. Default: those that Node.js trusts.',
    ),
};

const alertmanager = z.strictObject(
  {
    ...alertmanagerFields,
    startupGrace: field
      .duration('1s', '1h')
      .default('2m')
      .describe(
        'How long after the start of an Alertmanager it is not believed that nothing fires: Prometheus sends its alerts again once a minute.',
      ),
  },
  { error: 'a mapping with at least url' },
);

const matchersError = `a list of 1 to ${MAX_MATCHER_SETS} entries, each ${MATCHERS_FORMAT}`;

export const matcherSet = entry(MATCHERS_FORMAT, (text) => matchersProblem(text));

const ignoreForm = `a regular expression for the whole name of alerts, e.g. Watchdog; or ${MATCHERS_FORMAT}`;
export const ignoreEntry = entry(ignoreForm, (text) =>
  isAlertName(text) ? regexProblem(text) : matchersProblem(text),
);

function entry(form: string, problemOf: (text: string) => string | null) {
  const error = `${form}, at most ${MAX_ENTRY_CHARS} characters`;
  return z
    .string({ error })
    .regex(/^[^\p{Cc}\p{Bidi_Control}]*\S[^\p{Cc}\p{Bidi_Control}]*$/u, { error, abort: true })
    .max(MAX_ENTRY_CHARS, { error, abort: true })
    .superRefine((text, check) => {
      const problem = problemOf(text);
      if (problem !== null) check.addIssue({ code: 'custom', message: `${form} (${problem})` });
    });
}

function sets(set: z.ZodType<string>) {
  return z.array(set, { error: matchersError }).max(MAX_MATCHER_SETS, { error: matchersError });
}

const silence = z.strictObject(
  {
    matchers: sets(matcherSet)
      .min(1, { error: matchersError })
      .describe(
        'Each entry makes one silence for a node in work: matchers in the syntax of Alertmanager, in which {{node}}, {{host}}, {{kubernetesName}} and {{cluster}} stand for the values of the node, e.g. instance=~"{{node}}(:.*)?".',
      ),
    lease: field
      .duration('10s', '1d')
      .default('10m')
      .describe(
        'When a silence ends that nobody renews any more, because a worker, the Temporal server or the network is gone.',
      ),
    tail: field
      .duration('1s', '1h', 'leave it out for none')
      .optional()
      .describe('How much longer than the patch of its node a silence lasts. Default: no longer.'),
    maxDuration: field
      .duration('1m', '7d')
      .default('2h')
      .describe('How long a silence is renewed. A node that takes longer is not kept silent.'),
    onFailure: field
      .choice(ON_SILENCE_FAILURE)
      .default('continue')
      .describe(
        'What happens when a silence cannot be made. continue: the node is patched without, and the events say so. wait: the node stays in service until the silence is made.',
      ),
  },
  { error: 'a mapping with matchers, lease, tail, maxDuration and onFailure' },
);

const blockForm = `all, or ${matchersError}`;
const gateFields = {
  alertmanager: alertmanager.describe('The Alertmanager.'),
  block: z
    .union([z.literal('all'), sets(matcherSet).min(1, { error: blockForm })], { error: blockForm })
    .optional()
    .describe(
      'Alerts that hold the next node as long as they fire: all, or a list of matchers of which one applies. An alert that is silenced or inhibited holds nothing. Default: no alert holds a run.',
    ),
  ignore: sets(ignoreEntry)
    .default(['Watchdog', 'InfoInhibitor', 'Ospatch.*'])
    .describe(
      'Which of these alerts hold nothing: regular expressions for whole names of alerts, or matchers. Default: Watchdog and InfoInhibitor, which fire for other reasons, and Ospatch.*, the alerts of ospatch itself: a run is what ends most of them.',
    ),
  holdFor: field
    .duration('1s', '1d', 'leave it out for none')
    .optional()
    .describe(
      'How long no such alert may have fired before the next node is started, counted from the end of the last node. Default: no time at all.',
    ),
  watchdog: ignoreEntry
    .optional()
    .describe(
      'An alert that always fires, e.g. Watchdog. When it does not, alerts do not arrive at the Alertmanager, and the next node is held. Default: not checked.',
    ),
};

export const alertsSchema = z.strictObject(
  {
    ...gateFields,
    silence: silence.optional().describe('Silences for the nodes in work. Default: none.'),
  },
  { error: 'a mapping with alertmanager, silence, block, ignore, holdFor and watchdog' },
);

/** Of node groups, whose nodes have no silences. */
export const nodeGroupAlertsSchema = z.strictObject(gateFields, {
  error: 'a mapping with alertmanager, block, ignore, holdFor and watchdog',
});

type AlertsDocument = z.output<typeof nodeGroupAlertsSchema> & Pick<z.output<typeof alertsSchema>, 'silence'>;

export function normaliseAlerts({ alertmanager: manager, silence: wanted, ...gate }: AlertsDocument): AlertsSpec {
  const { url: addresses, bearerTokenFile, basicAuth: user, caFile, startupGrace } = manager;
  const { block, ignore, holdFor, watchdog } = gate;
  return {
    alertmanager: {
      url: [...new Set(addresses.map((one) => one.replace(/\/+$/, '')))],
      ...defined({ bearerTokenFile, basicAuth: user, caFile }),
      startupGrace,
    },
    ...defined({ silence: wanted === undefined ? undefined : { ...wanted, ...defined({ tail: wanted.tail }) } }),
    ...defined({ block, ignore: block === undefined ? undefined : ignore, holdFor, watchdog }),
  } as AlertsSpec;
}

export function alertIssues(document: unknown): SpecIssue[] {
  const path: SpecPath = ['alerts'];
  const alerts = valueAt(document, path);
  if (typeof alerts !== 'object' || alerts === null || Array.isArray(alerts)) return [];
  const has = (...keys: string[]): boolean => valueAt(document, [...path, ...keys]) !== undefined;
  const issues: SpecIssue[] = [];
  const add = (severity: SpecIssue['severity'], keys: SpecPath, at: SpecIssue['at'], message: string): void => {
    issues.push({ severity, path: [...path, ...keys], at, message });
  };
  if (!has('silence') && !has('block'))
    add(
      'error',
      [],
      'key',
      'found neither silence nor block, so that nothing is done; set one of them, or remove alerts',
    );
  for (const key of ['ignore', 'holdFor', 'watchdog']) {
    if (has(key) && !has('block'))
      add('error', [key], 'key', `found ${key} without block, so that it does nothing; set block, or remove ${key}`);
  }
  const ignored = valueAt(document, [...path, 'ignore']);
  const ignoresOwn = !Array.isArray(ignored) || ignored.some((one) => /Ospatch|^\.[*+]$/.test(String(one)));
  if (valueAt(document, [...path, 'block']) === 'all' && !ignoresOwn)
    add(
      'warning',
      ['ignore'],
      'key',
      "found no entry for the alerts of ospatch itself, which then hold the run that would end them; add 'Ospatch.*'",
    );
  const manager = ['alertmanager'];
  if (has(...manager, 'bearerTokenFile') && has(...manager, 'basicAuth'))
    add('error', [...manager, 'basicAuth'], 'key', 'found basicAuth beside bearerTokenFile; allowed: one of them');
  const given = valueAt(document, [...path, ...manager, 'url']);
  const isPlain = [given].flat().some((one) => typeof one === 'string' && /^http:/i.test(one));
  if (isPlain && (has(...manager, 'bearerTokenFile') || has(...manager, 'basicAuth')))
    add(
      'warning',
      [...manager, 'url'],
      'value',
      `found ${show(given)}, over which the credentials are sent without encryption; set an https address`,
    );
  issues.push(...silenceIssues(document, [...path, 'silence']));
  return issues;
}

function silenceIssues(document: unknown, path: SpecPath): SpecIssue[] {
  const list = valueAt(document, [...path, 'matchers']);
  const issues = (Array.isArray(list) ? list : []).flatMap((one: unknown, at): SpecIssue[] => {
    if (typeof one !== 'string' || !parseMatchers(one).ok) return [];
    const place: SpecPath = [...path, 'matchers', at];
    const names = placeholdersIn(one);
    const unknown = names.find((name) => !PLACEHOLDERS.some((known) => known === name));
    if (unknown !== undefined) {
      const allowed = PLACEHOLDERS.map((name) => `{{${name}}}`).join(', ');
      return [{ severity: 'error', path: place, at: 'value', message: `found {{${unknown}}}; allowed: ${allowed}` }];
    }
    if (names.some((name) => NODE_PLACEHOLDERS.some((known) => known === name))) return [];
    const message = `found ${show(one)}, which names no node, so that the silence is for others too; add a matcher with {{node}}`;
    return [{ severity: 'warning', path: place, at: 'value', message }];
  });
  const leaseMs = msAt(document, [...path, 'lease'], '10m');
  const maxMs = msAt(document, [...path, 'maxDuration'], '2h');
  if (leaseMs !== null && maxMs !== null && leaseMs > maxMs) {
    const message = `found ${show(valueAt(document, [...path, 'lease']) ?? '10m')}, longer than maxDuration; allowed: at most maxDuration (default 2h)`;
    issues.push({ severity: 'error', path: [...path, 'lease'], at: 'value', message });
  }
  return issues;
}

/** Null: the value is no duration. `absent`: its default. */
function msAt(document: unknown, path: SpecPath, absent: string): number | null {
  const value = valueAt(document, path) ?? absent;
  return typeof value === 'string' && isDuration(value) ? parseDuration(value) : null;
}
