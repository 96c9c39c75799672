/** Planted secrets of targets and of an Alertmanager, which only activities read, however a call ends. */
import { DefaultFailureConverter, defaultPayloadConverter } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo, Server } from 'node:net';
import { homedir } from 'node:os';
import path from 'node:path';
import { SMTPServer } from 'smtp-server';
import { createAlertActivities } from '../../src/activities/alerts';
import { createNotificationActivities } from '../../src/activities/notifications';
import type { NotificationTarget } from '../../src/domain/notifications/types';
import { PolicyFile } from '../../src/policy/policy-file';

const PLANTED = {
  hook: 'T0planted1/tok-planted2-5f3a9c',
  signing: Buffer.from('planted3-signing-key-0001').toString('base64'),
  slack: 'xoxb-0001-planted4abcdef',
  smtp: 'planted5 pass/word+&',
  bearer: 'planted6-bearer-77aa',
};

let directory: string;
const servers: { close(): unknown }[] = [];

async function listen(
  answer: (request: IncomingMessage, response: ServerResponse, body: string) => void,
): Promise<string> {
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += String(chunk)));
    request.on('end', () => answer(request, response, body));
  });
  return `http://127.0.0.1:${await portOf(server)}`;
}

async function portOf(server: Server): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** All that was sent, in the answer. */
function echo(status: number) {
  return ({ url, headers }: IncomingMessage, response: ServerResponse, body: string) =>
    response
      .writeHead(status)
      .end(`cannot take ${url} with ${headers.authorization ?? ''} ${JSON.stringify(headers)} ${body}`);
}

beforeAll(() => {
  // Not below /tmp, where everybody may create files.
  directory = mkdtempSync(path.join(homedir(), '.ospatch-test-'));
  chmodSync(directory, 0o700);
});

afterAll(() => {
  for (const server of servers) server.close();
  rmSync(directory, { recursive: true, force: true });
});

function secret(name: string, text: string): string {
  writeFileSync(path.join(directory, name), text, { mode: 0o600 });
  return name;
}

async function targets(): Promise<Omit<NotificationTarget, 'on'>[]> {
  const hook = async (status: number, name: string): Promise<string> =>
    secret(name, `${await listen(echo(status))}/services/${PLANTED.hook}`);
  const redirecting = await listen(({ url }, response) =>
    response.writeHead(307, { location: `http://other.example.com${url}` }).end(),
  );
  const slackApi = await listen(({ headers }, response) =>
    response.end(JSON.stringify({ ok: false, error: headers.authorization })),
  );
  const mail = new SMTPServer({
    ...{ allowInsecureAuth: true, disabledCommands: ['STARTTLS'], logger: false },
    onAuth: ({ password = '' }, _session, done) =>
      done(new Error(`no login with ${password}, ${Buffer.from(`\0ops\0${password}`).toString('base64')}`)),
  });
  mail.on('error', () => undefined);
  servers.push(mail);
  await new Promise<void>((resolve) => mail.listen(0, '127.0.0.1', resolve));
  const { port } = mail.server.address() as AddressInfo;
  const signingKeyFile = secret('signing', `whsec_${PLANTED.signing}`);
  return [
    { name: 'taken', webhook: { urlFile: await hook(200, 'taken'), signingKeyFile } },
    { name: 'refused', webhook: { urlFile: await hook(400, 'refused'), signingKeyFile } },
    { name: 'broken', webhook: { urlFile: await hook(500, 'broken') } },
    { name: 'redirected', teams: { urlFile: secret('redirected', `${redirecting}/${PLANTED.hook}`) } },
    { name: 'no-tls', slack: { urlFile: secret('no-tls', `${redirecting.replace('http', 'https')}/${PLANTED.hook}`) } },
    { name: 'no-url', slack: { urlFile: secret('no-url', PLANTED.slack) } },
    { name: 'chat', slack: { channel: '#ops', tokenFile: secret('slack', PLANTED.slack), endpoint: slackApi } },
    {
      name: 'mail',
      email: {
        ...{ host: '127.0.0.1', port, tls: 'none', user: 'ops', passwordFile: secret('smtp', PLANTED.smtp) },
        ...{ from: 'ospatch@example.com', to: ['ops@example.com'] },
      },
    },
  ];
}

function leaksIn(text: string): string[] {
  const parts = [...PLANTED.hook.split('/'), PLANTED.signing, PLANTED.slack, PLANTED.smtp, PLANTED.bearer];
  const forms = parts.flatMap((one) => [
    one,
    encodeURIComponent(one),
    Buffer.from(one).toString('base64').slice(0, -4),
  ]);
  return forms.filter((form) => text.includes(form));
}

const AT = '2027-01-01T00:00:00.000Z';

/** All that Temporal gets of an activity: its result, or its failure with causes and details. */
async function stored(work: (...args: never[]) => Promise<unknown>, input: unknown): Promise<string> {
  const run = work as (input: unknown) => Promise<unknown>;
  return new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR') }).run(run, input).then(
    (result) => JSON.stringify(result ?? null),
    (error: unknown) => {
      const failure = new DefaultFailureConverter().errorToFailure(error, defaultPayloadConverter);
      const { details } = error as { details?: unknown };
      return `${JSON.stringify(failure)} ${JSON.stringify(details)}`;
    },
  );
}

describe('secrets of notifications and alerts', () => {
  it('are neither in results and failures that Temporal keeps, nor in the log', async () => {
    const logged: unknown[] = [];
    const note = (...all: unknown[]): void => void logged.push(all);
    const log = { info: note, warn: note, error: note } as never;
    const policy = new PolicyFile(null);
    const { notify } = createNotificationActivities({
      ...{ notificationsFile: null, secretDir: directory, notifyDir: null, policy, log },
    });
    const texts: string[] = [];
    const answers = new Map<string, string>();
    for (const target of await targets()) {
      const input = {
        ...{ cluster: 'prod-eu', createdAt: AT, at: AT, target: { ...target, on: [] }, news: [], thread: null },
        report: { kind: 'test', by: 'alice' },
      };
      answers.set(target.name, await stored(notify, input));
    }
    texts.push(...answers.values());
    // The receivers have been reached, with what is planted.
    expect(answers.get('taken')).toMatch(/^{"answer":"HTTP 200 \(cannot take/);
    expect(answers.get('refused')).toContain('HTTP 400 (cannot take');
    expect(answers.get('broken')).toContain('HTTP 500 (cannot take');
    expect(answers.get('redirected')).toContain('redirects to another server');
    expect(answers.get('no-tls')).toContain('127.0.0.1');
    expect(answers.get('no-url')).toContain('a URL is not used');
    expect(answers.get('chat')).toContain('Slack does not take the message');
    expect(answers.get('mail')).toContain('no login with [redacted]');

    const alertmanager = { url: [await listen(echo(400))], bearerTokenFile: secret('bearer', PLANTED.bearer) };
    const { readAlerts, silenceNode } = createAlertActivities({ secretDir: directory, log });
    const filter = { block: 'all', ignore: [], startupGraceMs: 0 };
    const reading = await stored(readAlerts, { cluster: 'prod-eu', alertmanager, filter });
    expect(reading).toContain('status 400: cannot take');
    const values = { node: 'w-1', host: 'w-1', kubernetesName: 'w-1', cluster: 'prod-eu' };
    const silences = { alertmanager, matchers: ['instance="{{node}}"'], values, workflowRunId: 'x', run: 1 };
    const silenced = await stored(silenceNode, { silences, leaseMs: 60_000 });
    expect(silenced).toContain('status 400: cannot take');
    texts.push(reading, silenced, JSON.stringify(logged));
    expect(logged.length).toBeGreaterThan(8);
    expect(leaksIn(texts.join('\n'))).toEqual([]);
  });
});
