import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { homedir } from 'node:os';
import path from 'node:path';
import { SMTPServer } from 'smtp-server';
import type { NotifyInput } from '../../src/contract/activities/notification';
import type { NotificationTarget } from '../../src/domain/notifications/types';
import type { WorkerPolicy } from '../../src/domain/policy/types';
import { DeliveryFailure } from '../../src/notifications/failure';
import { sendMessage } from '../../src/notifications/send';
import { escapeSlack, slackBody } from '../../src/notifications/slack';
import { teamsBody } from '../../src/notifications/teams';
import { htmlMessage, subjectLine } from '../../src/notifications/email';
import { signatureOf } from '../../src/notifications/webhook';
import { composeMessage } from '../../src/domain/notifications/compose';

const AT = '2026-11-28T00:00:00.000Z';
const HOSTILE = '<!channel> <@U1> *bold* @everyone <b>x</b> [link](http://evil)\r\nBcc: all@example.com';

let directory: string;
const open: { close(): unknown }[] = [];

beforeEach(() => {
  // Not below /tmp, where everybody may create files.
  directory = mkdtempSync(path.join(homedir(), '.ospatch-test-'));
  chmodSync(directory, 0o700);
});

afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
  for (const server of open.splice(0)) server.close();
});

function secret(name: string, text: string): void {
  writeFileSync(path.join(directory, name), `${text}\n`, { mode: 0o600 });
}

function input(target: Omit<NotificationTarget, 'on' | 'name'>, more: Partial<NotifyInput> = {}): NotifyInput {
  return {
    ...{ cluster: 'prod-eu', createdAt: AT, at: AT, thread: null },
    news: [{ event: 'window-missed', key: 'window-missed' }],
    target: { name: 'ops', on: ['window-missed'], ...target },
    report: { kind: 'window', window: AT, result: 'missed (paused)', nextWindow: null },
    ...more,
  };
}

function send(one: NotifyInput, policy: WorkerPolicy | null = null): ReturnType<typeof sendMessage> {
  const signal = new AbortController().signal;
  const deps = {
    notificationsFile: path.join(directory, 'notifications.yaml'),
    secretDir: directory,
    notifyDir: directory,
  };
  return sendMessage(one, { ...deps, policy, signal });
}

interface Received {
  url: string;
  headers: IncomingMessage['headers'];
  body: string;
}

async function receiver(answer: (at: number) => [number, string]): Promise<{ url: string; received: Received[] }> {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += String(chunk)));
    request.on('end', () => {
      received.push({ url: request.url ?? '', headers: request.headers, body });
      const [status, text] = answer(received.length);
      response.writeHead(status).end(text);
    });
  });
  open.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, received };
}

function origin(url: string): string {
  return new URL(url).origin;
}

const KEY = Buffer.alloc(24, 7);

it('signs a CloudEvent, under the same id at every attempt', async () => {
  const { url, received } = await receiver((at) => (at <= 3 ? [503, 'busy'] : [200, 'ok']));
  secret('signing', `whsec_${KEY.toString('base64')}`);
  const one = input({ webhook: { url, signingKeyFile: 'signing' } });
  for (let attempt = 1; attempt <= 3; attempt += 1) {
    await expect(send(one)).rejects.toMatchObject({
      isTransient: true,
      message: expect.stringContaining('HTTP 503 (busy)') as string,
    });
  }
  await expect(send(one)).resolves.toMatchObject({ answer: 'HTTP 200 (ok)' });
  expect(new Set(received.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
  const { headers, body } = received[3] as Received;
  const event = JSON.parse(body) as Record<string, unknown>;
  expect(event).toMatchObject({
    specversion: '1.0',
    id: headers['webhook-id'],
    type: 'ospatch.window-missed',
    time: AT,
  });
  const expected = signatureOf(KEY, String(headers['webhook-id']), String(headers['webhook-timestamp']), body);
  expect(headers['webhook-signature']).toBe(expected);
});

it('gives up at once where no retry helps, and never shows a secret', async () => {
  const { url, received } = await receiver(() => [400, 'invalid: tok-SECRET-123']);
  secret('hook', `${url}/tok-SECRET-123`);
  const error: unknown = await send(input({ slack: { urlFile: 'hook' } })).catch((one: unknown) => one);
  expect(error).toBeInstanceOf(DeliveryFailure);
  expect(error).toMatchObject({ isTransient: false });
  expect(received[0]?.url).toBe('/hook/tok-SECRET-123');
  secret('token', 'xoxb-planted-secret');
  const { url: endpoint } = await receiver(() => [200, '{"ok":false,"error":"xoxb-planted-secret"}']);
  const target = { slack: { channel: '#ops', tokenFile: 'token', endpoint } };
  const refused: unknown = await send(input(target)).catch((one: unknown) => one);
  expect(JSON.stringify([refused, String(refused)])).not.toContain('planted');
});

it('hides a secret in every form in which a receiver may repeat it', async () => {
  const path_ = '/hook/services/T0PLANTED1/tok%2FPLANTED+x';
  const echoes: [string, (url: string) => string][] = [
    ['of the path', () => `Cannot POST ${path_}`],
    ['of a part of the path', () => 'unknown token tok%2FPLANTED+x'],
    ['of a decoded part', () => 'unknown token tok/PLANTED+x'],
    ['in JSON', (url) => JSON.stringify({ url: `${url}${path_}` })],
    ['in base64', (url) => Buffer.from(`a${url}${path_}b`).toString('base64')],
    ['that is cut off', (url) => `${'x'.repeat(120)} ${url.repeat(40)}${path_}`.slice(0, 2048)],
  ];
  for (const [, echo] of echoes) {
    for (const status of [200, 404, 500]) {
      const { url } = await receiver(() => [status, echo(origin(url))]);
      secret('hook', `${origin(url)}${path_}`);
      for (const target of [{ webhook: { urlFile: 'hook' } }, { slack: { urlFile: 'hook' } }]) {
        const result: unknown = await send(input(target)).catch((one: unknown) => one);
        const text = `${JSON.stringify(result)} ${String(result)}`;
        expect(text).not.toMatch(/PLANTED|UExBTlRFR/);
      }
    }
  }
});

it('calls nothing delivered that is a web page, or a failure with a good status', async () => {
  const page = await receiver(() => [200, '<!DOCTYPE html><title>Sign in</title>']);
  secret('hook', page.url);
  for (const target of [{ slack: { urlFile: 'hook' } }, { teams: { urlFile: 'hook' } }]) {
    await expect(send(input(target))).rejects.toMatchObject({
      isTransient: true,
      message: expect.stringContaining('web page') as string,
    });
  }
  const teams = await receiver(() => [200, 'Webhook message delivery failed with error: HTTP error 429']);
  secret('hook', teams.url);
  await expect(send(input({ teams: { urlFile: 'hook' } }))).rejects.toBeInstanceOf(DeliveryFailure);
});

it('keeps one Slack message up to date, and replies in its thread', async () => {
  const { url, received } = await receiver(() => [200, '{"ok":true,"ts":"1.2","channel":"C1"}']);
  secret('token', 'xoxb-1');
  const target = { slack: { channel: '#ops', tokenFile: 'token', endpoint: url } };
  const first = await send(input(target));
  expect(first.thread).toEqual({ id: '1.2', place: 'C1' });
  await send(input(target, { thread: first.thread, news: [] }));
  await send(input(target, { thread: first.thread }));
  expect(received.map(({ url: at }) => at.replace('/hook/', ''))).toEqual([
    ...['chat.postMessage', 'chat.update', 'chat.update', 'chat.postMessage'],
  ]);
  expect(JSON.parse(received[3]?.body ?? '')).toMatchObject({ thread_ts: '1.2', channel: 'C1' });
  expect(received[0]?.headers.authorization).toBe('Bearer xoxb-1');
});

it('mails over STARTTLS or not at all, with a login and a thread', async () => {
  const mails: string[] = [];
  const server = new SMTPServer({
    ...{ authOptional: true, disabledCommands: ['STARTTLS', 'AUTH'] },
    onData(stream, _session, done) {
      let text = '';
      stream.on('data', (chunk) => (text += String(chunk)));
      stream.on('end', () => {
        mails.push(text);
        done();
      });
    },
  });
  open.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.server.address() as AddressInfo;
  const email = { host: '127.0.0.1', port, tls: 'none' as const, from: 'ospatch@example.com', to: ['ops@example.com'] };
  await expect(send(input({ email: { ...email, tls: 'starttls' } }))).rejects.toMatchObject({ isTransient: true });
  expect(mails).toEqual([]);
  await send(input({ email }));
  await send(input({ email }));
  const idOf = (mail: string | undefined, name: string): string =>
    new RegExp(`^${name}: (.*)$`, 'im').exec(mail ?? '')?.[1] ?? '';
  expect(idOf(mails[0], 'Message-ID')).toBe(idOf(mails[1], 'Message-ID'));
  expect(idOf(mails[0], 'In-Reply-To')).toMatch(/^<[0-9a-f]{32}@example\.com>/);
  expect(mails[0]).toContain('[ospatch] prod-eu: The maintenance window of');
});

it('calls a mail delivered only if the server has taken it for everybody, and ends an attempt in time', async () => {
  let isSilent = false;
  const server = new SMTPServer({
    ...{ authOptional: true, disabledCommands: ['STARTTLS', 'AUTH'] },
    onRcptTo({ address }, _session, done) {
      if (isSilent) return;
      if (address.startsWith('gone')) done(Object.assign(new Error('no such user'), { responseCode: 550 }));
      else done();
    },
    onData(stream, _session, done) {
      stream.resume();
      stream.on('end', () => done());
    },
  });
  open.push(server);
  server.on('error', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.server.address() as AddressInfo;
  const to = ['ops@example.com', 'gone@example.com'];
  const email = { host: '127.0.0.1', port, tls: 'none' as const, from: 'ospatch@example.com', to };
  await expect(send(input({ email }))).rejects.toMatchObject({
    isTransient: false,
    message: expect.stringMatching(/for ops@example.com, but not for gone@example.com: 550 .*no such user/) as string,
  });
  isSilent = true;
  const stop = new AbortController();
  const hanging = sendMessage(input({ email }), {
    ...{ notificationsFile: null, secretDir: directory, notifyDir: null, policy: null, signal: stop.signal },
  });
  setTimeout(() => stop.abort(new Error('out of time')), 100);
  await expect(hanging).rejects.toThrow('out of time');
});

it('gives the message to a program in its environment', async () => {
  const file = path.join(directory, 'page');
  writeFileSync(file, `#!/bin/sh\nprintf '%s|%s' "$OSPATCH_TITLE" "$#" > ${directory}/out\n`, { mode: 0o700 });
  await send(input({ program: 'page' }));
  expect(readFileSync(path.join(directory, 'out'), 'utf8')).toBe(
    'The maintenance window of 2026-11-28 00:00 UTC was missed|0',
  );
});

it('asks the policy of the worker for hosts, secrets and programs of a spec, and not for the own file', async () => {
  const { url } = await receiver(() => [200, '']);
  const rule = { name: 'all', clusters: ['*'] };
  const one = input({ webhook: { url } });
  await expect(send(one, { version: 1, rules: [rule] })).rejects.toMatchObject({ type: 'Denied' });
  const allowed: WorkerPolicy = { version: 1, rules: [{ ...rule, notifications: { hosts: ['127.0.0.0/8'] } }] };
  await expect(send(one, allowed)).resolves.toBeDefined();
  secret('hook', url);
  await expect(send(input({ teams: { urlFile: 'hook' } }), allowed)).rejects.toMatchObject({ type: 'Denied' });
  writeFileSync(
    path.join(directory, 'notifications.yaml'),
    `notifications:\n  - name: ops\n    teams: { urlFile: hook }\n`,
    { mode: 0o600 },
  );
  const own: NotifyInput = { ...input({}), target: { name: 'ops', on: ['window-missed'], fromWorker: true } };
  await expect(send(own, { version: 1, rules: [rule] })).resolves.toBeDefined();
});

it('lets no text of a node mention, format, link or begin a header', () => {
  const report = {
    ...{ kind: 'stuck' as const, at: AT, cause: 'loop' as const, message: HOSTILE },
  };
  const message = composeMessage('prod-eu', report);
  const slack = JSON.stringify(slackBody('prod-eu', message));
  for (const forbidden of ['<!', '<@', '@everyone', '<b>', '](http']) expect(slack).not.toContain(forbidden);
  expect(escapeSlack('a_b <x>')).toBe('a_b &lt;x&gt;');
  const failed = { ...message, commands: [{ what: 'Explain', command: "ospatch explain 'a*b' @x" }] };
  // What is copied out of a message works.
  expect(JSON.stringify(slackBody('prod-eu', failed))).toContain("ospatch explain 'a*b' @x`");
  const html = htmlMessage('prod-eu', message);
  expect(html).not.toContain('<b>x');
  expect(subjectLine('prod-eu', { ...message, title: HOSTILE })).not.toMatch(/[\r\n]/);
  // Text runs of Teams are not read as Markdown.
  expect(JSON.stringify(teamsBody('prod-eu', message))).not.toContain('"TextBlock"');
});
