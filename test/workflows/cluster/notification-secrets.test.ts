/** Planted secrets of targets and of an Alertmanager: in no history, status, event, log or error, however a delivery ends. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo, Server } from 'node:net';
import { homedir } from 'node:os';
import path from 'node:path';
import { SMTPServer } from 'smtp-server';
import { createAlertActivities } from '../../../src/activities/alerts';
import { createNotificationActivities } from '../../../src/activities/notifications';
import type { NotificationTarget } from '../../../src/domain/notifications/types';
import type { ClusterSpec } from '../../../src/domain/spec/types';
import { PolicyFile } from '../../../src/policy/policy-file';
import { clusterSpec } from '../../support/builders';
import { waitFor } from '../../support/wait-for';
import { Harness } from '../harness';

const PLANTED = {
  hook: 'T0planted1/tok-planted2-5f3a9c',
  signing: Buffer.from('planted3-signing-key-0001').toString('base64'),
  slack: 'xoxb-0001-planted4abcdef',
  smtp: 'planted5 pass/word+&',
  bearer: 'planted6-bearer-77aa',
};

let harness: Harness;
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

beforeAll(async () => {
  // Not below /tmp, where everybody may create files.
  directory = mkdtempSync(path.join(homedir(), '.ospatch-test-'));
  chmodSync(directory, 0o700);
  harness = await Harness.start('real');
});

afterAll(async () => {
  for (const server of servers) server.close();
  rmSync(directory, { recursive: true, force: true });
  await harness.stop();
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

/** Everything in it as text, bytes too. */
function textIn(value: unknown): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('utf8');
  if (Array.isArray(value)) return value.map(textIn).join('\n');
  if (typeof value === 'object' && value !== null) return Object.values(value).map(textIn).join('\n');
  return typeof value === 'string' ? value : '';
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

describe('secrets of notifications and alerts', () => {
  it('are nowhere, whether a delivery succeeds or fails', async () => {
    const logged: unknown[] = [];
    const log = {
      info: (...all: unknown[]) => void logged.push(all),
      warn: (...all: unknown[]) => void logged.push(all),
      error: (...all: unknown[]) => void logged.push(all),
    } as never;
    const cluster = harness.newCluster();
    const policy = new PolicyFile(null);
    const notifications = (await targets()).map((one) => ({ ...one, on: ['run-started', 'run-finished'] }));
    const alerts = {
      alertmanager: {
        url: [await listen(echo(400))],
        bearerTokenFile: secret('bearer', PLANTED.bearer),
        startupGrace: '1s',
      },
      ...{
        block: 'all',
        ignore: [],
        silence: { matchers: ['instance="{{node}}"'], lease: '1m', maxDuration: '1h', onFailure: 'continue' },
      },
    };
    const spec = { ...clusterSpec(['w-1'], {}, cluster.name), notifications, alerts } as unknown as ClusterSpec;
    const seen: string[] = [];
    await harness.withWorkerFor(
      cluster,
      async () => {
        await cluster.apply(spec);
        await cluster.handle.signal('patchNow', { ignoreAlerts: true });
        await cluster.untilIdle(1);
        const heard = async (): Promise<string> => JSON.stringify(await cluster.handle.query('events'));
        await waitFor(async () => /delivered to taken/.test(await heard()) && /refused/.test(await heard()), {
          what: 'the ends of two deliveries',
        });
        const tests = await cluster.client.testNotifications(cluster.name);
        expect(tests.map((one) => [one.target, 'answer' in one])).toEqual(
          notifications.map(({ name }) => [name, name === 'taken']),
        );
        // A run that an Alertmanager holds which repeats what it got.
        await cluster.handle.signal('patchNow', {});
        await waitFor(async () => /\b400\b/.test(JSON.stringify(await cluster.status())), {
          what: 'the answer of the Alertmanager',
        });
        seen.push(JSON.stringify(tests), await heard(), JSON.stringify(await cluster.status()));
        const { workflow } = harness.env.client;
        for await (const { workflowId, runId } of workflow.list({
          query: `WorkflowId STARTS_WITH "cluster/${cluster.name}"`,
        })) {
          const handle = workflow.getHandle(workflowId, runId);
          // With the failures of attempts that will be repeated.
          seen.push(textIn(await handle.fetchHistory()), textIn((await handle.describe()).raw));
        }
        await cluster.handle.terminate();
      },
      {
        ...createNotificationActivities({
          notificationsFile: null,
          secretDir: directory,
          notifyDir: null,
          policy,
          log,
        }),
        ...createAlertActivities({ secretDir: directory, log }),
      },
    );
    expect(seen.length).toBeGreaterThan(8);
    const text = [...seen, JSON.stringify(logged)].join('\n');
    expect(text).toContain('HTTP 400');
    expect(leaksIn(text)).toEqual([]);
  });
});
