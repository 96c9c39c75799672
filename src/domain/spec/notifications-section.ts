/** `notifications` of a spec document, and of the file of a worker: who is told of what happens to a cluster. */
import { z } from 'zod';
import { MAX_TARGETS, NOTIFICATION_EVENTS, SMTP_TLS, TARGET_KINDS } from '../notifications/types';
import type { EventFilter, NotificationTarget, PlainEvent } from '../notifications/types';
import { defined } from '../shared/defined';
import { SECRET_NAME, SECRET_NAME_FORMAT } from '../shared/secret-name';
import * as field from './fields';
import { renderPath, show } from './issues';
import { describeIssues } from './zod-messages';

/** What most want to be told of: the end of a run, and what needs somebody. */
export const DEFAULT_EVENTS: readonly PlainEvent[] = [
  'run-finished',
  'run-blocked',
  'node-failed',
  'node-quarantined',
  'node-unreachable',
  'window-missed',
  'cluster-stuck',
];

const MAX_RECIPIENTS = 50;

function text(pattern: RegExp, allowed: string) {
  return z.string({ error: allowed }).regex(pattern, { error: allowed });
}

const nameForm = 'at most 63 letters, digits, dots, hyphens and underscores, e.g. ops-chat';
const targetName = text(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, nameForm);

const secretFile = text(SECRET_NAME, SECRET_NAME_FORMAT);

const urlForm =
  'an http or https URL without user, password and query, e.g. https://hooks.example.com/ospatch; a URL with a secret in it goes into a file, named by urlFile';
const url = text(/^https?:\/\/[A-Za-z0-9[][A-Za-z0-9.:\]-]{0,260}(\/[A-Za-z0-9._~!$&'()*+,;=:%/-]{0,1000})?$/, urlForm)
  .max(1_300, { error: urlForm })
  .refine((value) => URL.canParse(value), { error: urlForm });

const address = {
  url: url.optional().describe('Where the message is sent. A URL with a secret in it goes into a file, see urlFile.'),
  urlFile: secretFile.optional().describe("File in the worker's secrets directory with the URL, instead of url."),
};
const secretAddress = secretFile.describe("File in the worker's secrets directory with the URL, which is a secret.");
const caFile = secretFile
  .optional()
  .describe("File in the worker's secrets directory with the certificates (PEM) by which the server is verified.");

const webhookError = 'a mapping with url or urlFile, signingKeyFile and caFile';
const webhook = z
  .strictObject(
    {
      ...address,
      signingKeyFile: secretFile
        .optional()
        .describe(
          "File in the worker's secrets directory with the key of the signature (Standard Webhooks, whsec_...). Default: not signed.",
        ),
      caFile,
    },
    { error: webhookError },
  )
  .refine((one) => (one.url === undefined) !== (one.urlFile === undefined), {
    error: 'either url or urlFile is needed',
  });

const channelForm = 'the id or the name of a channel, e.g. C0123456789 or #ops';
const slackError = 'a mapping with urlFile, or with channel, tokenFile and endpoint; and caFile';
const slack = z
  .strictObject(
    {
      urlFile: secretAddress.optional(),
      channel: text(/^#?[A-Za-z0-9._-]{1,80}$/, channelForm)
        .optional()
        .describe('Channel in which one message per run is posted and kept up to date. Needs tokenFile.'),
      tokenFile: secretFile
        .optional()
        .describe("File in the worker's secrets directory with the token of a bot (chat:write)."),
      endpoint: url
        .optional()
        .describe('Base address of the API, for services that speak it. Default: https://slack.com/api.'),
      caFile,
    },
    { error: slackError },
  )
  .refine(
    ({ urlFile, channel, tokenFile, endpoint }) =>
      urlFile === undefined
        ? channel !== undefined && tokenFile !== undefined
        : channel === undefined && tokenFile === undefined && endpoint === undefined,
    { error: 'either urlFile, or channel and tokenFile are needed' },
  );

const teams = z.strictObject({ urlFile: secretAddress, caFile }, { error: 'a mapping with urlFile and caFile' });

const mailForm = 'an address such as ops@example.com';
const mailAddress = text(
  /^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?$/,
  mailForm,
);
const toForm = `a list of 1 to ${MAX_RECIPIENTS} addresses`;

const email = z
  .strictObject(
    {
      host: field.host.describe('Host of the mail server.'),
      port: field.wholeNumber(1, 65_535).default(587).describe('Port of the mail server.'),
      tls: field
        .choice(SMTP_TLS)
        .default('starttls')
        .describe(
          'starttls: the connection is encrypted by STARTTLS, or nothing is sent. tls: it is encrypted from the beginning (port 465). none: it is not, for a mail server on the same machine or in a closed network; user and passwordFile are not allowed then.',
        ),
      user: z
        .string({ error: 'the name of a user' })
        .regex(/^[^\p{Cc}]{1,200}$/u, { error: 'the name of a user' })
        .optional()
        .describe('User at the mail server. Default: no login.'),
      passwordFile: secretFile.optional().describe("File in the worker's secrets directory with the password."),
      from: mailAddress.describe('Address of the sender.'),
      to: z
        .array(mailAddress, { error: toForm })
        .min(1, { error: toForm })
        .max(MAX_RECIPIENTS, { error: toForm })
        .describe('Recipients.'),
      caFile,
    },
    { error: 'a mapping with at least host, from and to' },
  )
  .refine(({ user, passwordFile }) => (user === undefined) === (passwordFile === undefined), {
    error: 'user and passwordFile belong together: both are needed, or none',
  })
  .refine(({ tls, user }) => tls !== 'none' || user === undefined, {
    error:
      'with tls: none the password would be sent in clear; remove user and passwordFile, or choose starttls or tls',
  });

const eventsForm = `${NOTIFICATION_EVENTS.filter((one) => one !== 'reboot-pending-for').join(', ')}, or a mapping such as reboot-pending-for: 3d`;
const filter = z.union(
  [
    z.enum(NOTIFICATION_EVENTS).exclude(['reboot-pending-for']),
    z.strictObject({
      'reboot-pending-for': field
        .duration('1h', '90d')
        .describe('How long a node has been waiting for its reboot when the target is told.'),
    }),
  ],
  { error: eventsForm },
);
const onForm = `a list of 1 to 20 events: ${eventsForm}`;

const kindsForm = `exactly one of ${TARGET_KINDS.join(', ')}`;

const target = z
  .strictObject(
    {
      name: targetName.describe('Name of the target, for ospatch notify test, events and metrics.'),
      on: z
        .array(filter, { error: onForm })
        .min(1, { error: onForm })
        .max(20, { error: onForm })
        .optional()
        .describe(`What the target is told of. Default: ${DEFAULT_EVENTS.join(', ')}.`),
      webhook: webhook
        .optional()
        .describe('An HTTP receiver: CloudEvents 1.0 in JSON, signed as Standard Webhooks describes.'),
      slack: slack.optional().describe('Slack, or a service that speaks its API (Mattermost, Rocket.Chat).'),
      teams: teams.optional().describe('Microsoft Teams: a Workflows webhook, which gets an Adaptive Card.'),
      email: email.optional().describe('E-mail by SMTP.'),
      program: field.programName
        .optional()
        .describe(
          "Name of a program in the worker's directory of notification programs (OSPATCH_NOTIFY_DIR), which gets the message as variables of its environment.",
        ),
    },
    { error: `a mapping with name, on, and ${kindsForm}` },
  )
  .superRefine((value, check) => {
    const given = TARGET_KINDS.filter((kind) => value[kind] !== undefined);
    if (given.length === 1) return;
    const found = given.length === 0 ? 'none' : given.join(' and ');
    check.addIssue({ code: 'custom', message: `found ${found}; allowed: ${kindsForm}` });
  });

const targetsForm = `a list of at most ${MAX_TARGETS} targets`;

export const notificationsSchema = z
  .array(target, { error: targetsForm })
  .max(MAX_TARGETS, { error: targetsForm })
  .superRefine((targets, check) => {
    targets.forEach(({ name }, at) => {
      const first = targets.findIndex((one) => one.name === name);
      if (first === at) return;
      const message = `found ${show(name)}, already the name of target ${first + 1}; allowed: each name once`;
      check.addIssue({ code: 'custom', path: [at, 'name'], message });
    });
  });

export type NotificationsDocument = z.output<typeof notificationsSchema>;

/** Fills in the events. */
export function normaliseNotifications(document: NotificationsDocument): NotificationTarget[] {
  return document.map(({ name, on, webhook: hook, slack: chat, teams: team, email: mail, program }) => ({
    name,
    on: [...new Map((on ?? DEFAULT_EVENTS).map((one) => [JSON.stringify(one), one as EventFilter])).values()],
    ...defined({
      webhook: hook === undefined ? undefined : defined(hook),
      slack: chat === undefined ? undefined : defined(chat),
      teams: team === undefined ? undefined : defined(team),
      email: mail === undefined ? undefined : defined(mail),
      program,
    }),
  }));
}

const workerFile = z.strictObject({ notifications: notificationsSchema }, { error: 'a mapping with notifications' });

/** Validates the file of a worker. The first problem, with its field. */
export function parseNotifications(
  value: unknown,
): { targets: NotificationTarget[] } | { targets: null; problem: string } {
  const parsed = workerFile.safeParse(value);
  if (parsed.success) return { targets: normaliseNotifications(parsed.data.notifications) };
  const [issue] = describeIssues(parsed.error.issues, value, workerFile);
  const problem =
    issue === undefined ? 'it is not valid' : [renderPath(issue.path), issue.message].filter(Boolean).join(': ');
  return { targets: null, problem };
}
