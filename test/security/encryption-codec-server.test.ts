/** What others on the machine or the network get of the codec server. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { request as httpsRequest } from 'node:https';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { defaultPayloadConverter } from '@temporalio/common';
import { runCli } from '../../src/cli/main';
import { createCodec } from '../../src/encryption/codec';
import type { CodecServerOptions } from '../../src/encryption/codec-server';
import { createCodecServer } from '../../src/encryption/codec-server';
import type { KeyRing } from '../../src/encryption/key-ring';
import { freePorts } from '../../src/dev/ports';
import { fakeTerminal } from '../cli/support';
import { waitFor } from '../support/wait-for';

const TOKEN = 'a-token-of-some-length';
const RING: KeyRing = { directory: '/keys', keys: [{ id: 'a:0', key: randomBytes(32) }] };
const PLAIN = {
  metadata: { encoding: Buffer.from('json/plain').toString('base64') },
  data: Buffer.from('{"a":1}').toString('base64'),
};

describe('src/encryption/codec-server: attacks', () => {
  const servers: Server[] = [];
  let dir: string;

  beforeAll(() => {
    dir = mkdtempSync(path.join(tmpdir(), 'ospatch-codec-'));
  });

  afterAll(() => {
    for (const server of servers) {
      server.close();
      server.closeAllConnections();
    }
    rmSync(dir, { recursive: true });
  });

  async function start(options: Partial<CodecServerOptions> = {}): Promise<number> {
    const codec = createCodec(RING, 'passthrough');
    const server = createCodecServer({
      codec,
      uiOrigin: null,
      token: TOKEN,
      allowsEncode: false,
      tls: null,
      ...options,
    });
    servers.push(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  }

  async function post(port: number, at: string, payloads: unknown[], authorization = ''): Promise<[number, string]> {
    const request = { method: 'POST', body: JSON.stringify({ payloads }), headers: { authorization } };
    const answer = await fetch(`http://127.0.0.1:${port}${at}`, request);
    return [answer.status, await answer.text()];
  }

  it('is never without a token or client certificates, on the loopback interface neither', async () => {
    await expect(start({ token: null })).rejects.toThrow('required');
    const port = await start();
    for (const at of [
      '/decode',
      '/default/decode',
      '/token/wrong/decode',
      '/token//decode',
      '/token/decode',
      '/encode',
    ]) {
      expect(await post(port, at, [PLAIN])).toEqual([401, expect.not.stringContaining(TOKEN)]);
    }
    expect((await post(port, '/decode', [PLAIN], `Bearer ${TOKEN}`))[0]).toBe(200);
    // For the Temporal UI, which sends no token of its own.
    for (const at of [`/token/${TOKEN}/decode`, `/token/${TOKEN}/default/decode`]) {
      expect((await post(port, at, [PLAIN]))[0]).toBe(200);
    }
  });

  it('encrypts nothing unless asked, and then only for a workflow that is named', async () => {
    const token = `Bearer ${TOKEN}`;
    const closed = await start();
    expect((await post(closed, '/default/cluster/prod/encode', [PLAIN], token))[0]).toBe(403);
    // The arguments of a query without any.
    expect(await post(closed, '/encode', [], token)).toEqual([200, '{"payloads":[]}']);
    const open = await start({ allowsEncode: true });
    for (const at of [
      '/encode',
      '/default/encode',
      '/default//encode',
      '//cluster/prod/encode',
      '//default/cluster/prod/encode',
    ]) {
      expect((await post(open, at, [PLAIN], token))[0]).toBeGreaterThanOrEqual(400);
    }
    const [status, text] = await post(open, '/default/cluster/prod%2Deu/encode', [PLAIN], token);
    expect(status).toBe(200);
    const { payloads } = JSON.parse(text) as { payloads: { metadata: Record<string, string>; data: string }[] };
    const sealed = payloads.map(({ metadata, data }) => ({
      metadata: Object.fromEntries(
        Object.entries(metadata).map(([name, value]) => [name, Buffer.from(value, 'base64')]),
      ),
      data: Buffer.from(data, 'base64'),
    }));
    const read = (workflowId: string) =>
      createCodec(RING).decode(sealed, { type: 'workflow', namespace: 'default', workflowId });
    expect((await read('cluster/prod-eu')).map((one) => defaultPayloadConverter.fromPayload(one))).toEqual([{ a: 1 }]);
    await expect(read('cluster/test')).rejects.toThrow('was encrypted for the workflow cluster/prod-eu');
  });

  it('shows the rest of a history in which somebody has put something unreadable', async () => {
    const foreign = createCodec({ directory: '', keys: [{ id: 'b:0', key: randomBytes(32) }] });
    const [sealed = {}] = await foreign.encode([defaultPayloadConverter.toPayload(1)]);
    const base64 = (bytes: Uint8Array | null | undefined) => Buffer.from(bytes ?? []).toString('base64');
    const metadata = Object.fromEntries(Object.entries(sealed.metadata ?? {}).map(([k, v]) => [k, base64(v)]));
    const bomb = { metadata: { encoding: Buffer.from('binary/ospatch-zlib').toString('base64') }, data: 'AAAA' };
    const [status, text] = await post(
      await start(),
      '/decode',
      [PLAIN, { metadata, data: base64(sealed.data) }, bomb],
      `Bearer ${TOKEN}`,
    );
    expect(status).toBe(200);
    expect((JSON.parse(text) as { payloads: unknown[] }).payloads[0]).toEqual(PLAIN);
  });

  describe('with TLS', () => {
    let own: string;

    beforeAll(() => {
      own = path.join(dir, 'tls');
      mkdirSync(own, { mode: 0o700 });
      const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: own, stdio: 'ignore' });
      const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
      openssl('req', '-x509', ...ec, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=authority');
      openssl('req', '-x509', ...ec, '-keyout', 'other.key', '-out', 'other.pem', '-subj', '/CN=other');
      for (const name of ['server', 'client']) {
        const signed = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-addext', 'subjectAltName=IP:127.0.0.1'];
        openssl(
          'req',
          '-x509',
          ...ec,
          ...signed,
          '-keyout',
          `${name}.key`,
          '-out',
          `${name}.pem`,
          '-subj',
          `/CN=${name}`,
        );
      }
    });

    const file = (name: string) => readFileSync(path.join(own, name));

    /** The status, or why there is none. */
    function ask(port: number, client: string | null, authorization = ''): Promise<number | string> {
      return new Promise((resolve) => {
        const certificate = client === null ? {} : { cert: file(`${client}.pem`), key: file(`${client}.key`) };
        const options = { host: '127.0.0.1', port, path: '/decode', method: 'POST', ca: file('ca.pem'), agent: false };
        const request = httpsRequest({ ...options, ...certificate, headers: { authorization } }, (answer) => {
          answer.resume();
          resolve(answer.statusCode ?? 0);
        });
        request.on('error', (error) => resolve(error.message));
        request.end('{}');
      });
    }

    it('takes client certificates of its own authority only, and a token beside them where there is one', async () => {
      const tls = { cert: file('server.pem'), key: file('server.key'), clientCa: file('ca.pem') };
      const mutual = await start({ token: null, tls });
      expect(await ask(mutual, 'client')).toBe(200);
      for (const client of [null, 'other']) expect(await ask(mutual, client)).toEqual(expect.any(String));
      const both = await start({ tls });
      expect(await ask(both, 'client')).toBe(401);
      expect(await ask(both, 'client', `Bearer ${TOKEN}`)).toBe(200);
      const oneSided = await start({ tls: { ...tls, clientCa: null } });
      expect(await ask(oneSided, null)).toBe(401);
      expect(await ask(oneSided, null, `Bearer ${TOKEN}`)).toBe(200);
    });
  });

  describe('the command', () => {
    async function refused(...args: string[]): Promise<string> {
      const terminal = fakeTerminal({ cwd: dir });
      await runCli(['codec-server', ...args], terminal.context);
      expect(terminal.exitCode()).toBe(2);
      return terminal.err();
    }

    it('takes no token or key of TLS that others can read or replace', async () => {
      const token = path.join(dir, 'token');
      writeFileSync(token, TOKEN, { mode: 0o644 });
      expect(await refused('--token-file', 'token')).toContain('can be read by everybody');
      chmodSync(token, 0o620);
      expect(await refused('--token-file', 'token')).toContain('can be changed by group');
      const shared = path.join(dir, 'shared');
      mkdirSync(shared);
      chmodSync(shared, 0o777);
      // Nor does it put one where others may replace it.
      expect(await refused('--token-file', 'shared/token')).toContain('can be changed by everybody');
      writeFileSync(path.join(dir, 'short'), 'secret', { mode: 0o600 });
      const short = await refused('--token-file', 'short');
      expect(short).toContain('at least 16 characters');
      expect(short).not.toContain('secret');
    });

    it('does not show payloads and token to everybody on the way', async () => {
      expect(await refused('--listen', '0.0.0.0')).toContain('without TLS');
      expect(await refused('--tls-cert', 'x')).toContain('--tls-key');
    });

    it('writes a token of its own, for its user alone', async () => {
      const terminal = fakeTerminal({ cwd: dir });
      const before = process.listeners('SIGTERM');
      const [port = 0] = await freePorts(1);
      const done = runCli(['codec-server', '--port', String(port), '--token-file', 'new'], terminal.context);
      const file = path.join(dir, 'new');
      await waitFor(() => Promise.resolve(terminal.out().includes('codec endpoint') || undefined), {
        what: 'its start',
      });
      expect(statSync(file).mode & 0o777).toBe(0o600);
      const token = readFileSync(file, 'utf8').trim();
      expect(token).toMatch(/^[0-9a-f]{64}$/);
      expect(terminal.out() + terminal.err()).not.toContain(token);
      for (const stop of process.listeners('SIGTERM').filter((one) => !before.includes(one))) stop('SIGTERM');
      await done;
    });
  });
});
