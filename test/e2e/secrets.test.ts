/** Planted secrets appear nowhere, and with encryption no data of a cluster is readable in Temporal. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { mustRun, runProgram } from '../../src/dev/host';
import type { LabPackage } from '../../tools/lab/packages';
import { createCodec } from '../../src/encryption/codec';
import { readKeyRing } from '../../src/encryption/key-ring';
import { readHistories } from '../support/histories';
import { freePorts } from '../../src/dev/ports';
import { startWorkerProcess } from '../support/local-stack';
import { runCli } from '../support/run-cli';
import { waitFor } from '../support/wait-for';
import '../support/slow-suite';
import type { Stack } from './stack';
import { startStack } from './stack';

const SECRET = 'hunter2-4f9c';
const BASIC = Buffer.from(`robot:${SECRET}`).toString('base64');
/** In the environment of the worker, which root sees in a process list. */
const ENV_SECRET = 'planted-7d1a90';
/** The key of the worker, with a passphrase. */
const SEALED_KEY = 'sealed';
const KEY_BODY = 'c2VjcmV0LWtleS1ib2R5LTRmOWM';

/** Prints typical output, then fails, so that the end of the log enters the history. */
const POSTINST = `[ -z "$2" ] && exit 0
echo "fetching https://robot:${SECRET}@repo.example/x?token=${SECRET}"
echo "Authorization: Bearer ${SECRET}"
echo "db_password=${SECRET}"
printf '%s\\n' '-----BEGIN OPENSSH PRIVATE KEY-----' ${KEY_BODY} '-----END OPENSSH PRIVATE KEY-----'
echo "E: cannot reach http://robot:${SECRET}@repo.example" >&2
exit 1`;

function leaky(version: string): LabPackage {
  return { name: 'lab-leaky', version, postinst: POSTINST };
}

let stack: Stack;
let mirror: Server;
let key: string;
const outputs: string[] = [];

beforeAll(async () => {
  stack = await startStack([{ name: 'leaky', updates: 'none', labUpdates: [{ from: leaky('1'), to: leaky('2') }] }], {
    OSPATCH_LOG_LEVEL: 'trace',
    OSPATCH_HOOK_PASSWORD: ENV_SECRET,
    AWS_SECRET_ACCESS_KEY: ENV_SECRET,
  });
  // The passphrase of the key is a secret too.
  const file = path.join(stack.lab.keyDir, SEALED_KEY);
  writeFileSync(file, readFileSync(path.join(stack.lab.keyDir, stack.lab.keyName)), { mode: 0o600 });
  await mustRun('ssh-keygen', ['-q', '-p', '-P', '', '-N', SECRET, '-f', file]);
  writeFileSync(`${file}.passphrase`, SECRET, { mode: 0o600 });
  key = readFileSync(file, 'utf8');
  mirror = createServer((_request, response) => response.writeHead(401).end(`token=${SECRET}`));
  mirror.listen(0, '127.0.0.1');
  await once(mirror, 'listening');
});

afterAll(async () => {
  mirror?.close();
  await stack?.stop();
});

async function cli(...args: string[]): Promise<string> {
  const { stdout, stderr } = await stack.cli(...args);
  outputs.push(stdout, stderr);
  return stdout + stderr;
}

/** The first secret in `text`, for the error message. */
function leakIn(text: string, more: readonly string[] = [ENV_SECRET]): string | null {
  const keyLines = key.split('\n').filter((line) => line.length > 40);
  return [SECRET, BASIC, KEY_BODY, ...keyLines, ...more].find((secret) => text.includes(secret)) ?? null;
}

/** Watches all processes of this machine, the nodes' own included, until run `number` has ended. */
async function watchProcesses(cluster: string, number: number): Promise<string> {
  const seen: string[] = [];
  let isOver = false;
  const ended = stack.runEnded(cluster, number).finally(() => {
    isOver = true;
  });
  await waitFor(
    async () => {
      seen.push((await runProgram('ps', ['axeww', '-o', 'args'])).stdout);
      return isOver;
    },
    { what: 'the end of the run', timeoutMs: 300_000, pollMs: 250 },
  );
  await ended;
  return seen.join('\n');
}

describe('e2e/secrets', () => {
  it('are absent from process lists during a patch, and from the output of ospatch', async () => {
    const { port } = mirror.address() as AddressInfo;
    const node = stack.lab.node('leaky');
    const source = `deb http://robot:${SECRET}@127.0.0.1:${port}/debian bookworm main`;
    await node.exec(`echo '${source}' >/etc/apt/sources.list.d/secret.list
      echo 'Debug::Acquire::http "true";' >/etc/apt/apt.conf.d/99debug; printf '%s' 'password = ${SECRET}' >>/etc/motd`);
    const file = stack.writeSpec({
      name: 'plain',
      identity: SEALED_KEY,
      patching: '{patchOnBoot: false, rebootIfRequired: false}',
    });
    await cli('enroll', '-f', file, '--yes');
    await cli('apply', '-f', file);
    await cli('check', 'plain');
    await cli('patch', 'plain');
    expect(leakIn(await watchProcesses('plain', 1), [])).toBeNull();
    // The first cause is the mirror's answer, not the missing signature.
    expect((await stack.status('plain')).nodes[0]?.lastError).toMatchObject({
      type: 'Repository',
      message: expect.stringContaining('401'),
    });
    await cli('logs', 'plain', 'leaky');
    // The sources work again: now the package itself prints secrets.
    await node.exec('rm /etc/apt/sources.list.d/secret.list /etc/apt/apt.conf.d/99debug');
    await cli('patch', 'plain');
    expect(leakIn(await watchProcesses('plain', 2), [])).toBeNull();
    const commands = [
      ['status', 'plain'],
      ['status', 'plain', '-o', 'json'],
      ['history', 'plain', '--run', '2', '-o', 'json'],
      ['history', 'plain', '-o', 'json'],
      ['get', 'plain'],
      ['list', '-o', 'json'],
      ['logs', 'plain', 'leaky'],
      ['events', 'plain', '-o', 'json'],
      ['explain', 'plain', '-o', 'json'],
      ['explain', 'plain', 'leaky', '-o', 'json'],
      ['get', 'plain', '-o', 'json'],
      ['next', 'plain', '-o', 'json'],
      ['doctor', 'plain', '-o', 'json'],
      ['doctor', 'plain'],
      ['plan', 'plain', '-o', 'json'],
      ['patch', 'plain', '--nodes', 'nobody'],
    ];
    for (const command of commands) await cli(...command);
    const all = outputs.join('\n');
    expect(all).toContain('lab-leaky');
    expect(all).toContain('[redacted]');
    expect(leakIn(all)).toBeNull();
  });

  it('are absent from histories, memos, heartbeats and the worker log', async () => {
    const { text, workflows } = await readHistories(stack.server.address, /plain/);
    expect(workflows).toEqual(expect.arrayContaining(['cluster/plain', 'cluster/plain/node/leaky']));
    // The search covered the log of the job too.
    expect(text).toContain('fetching https://[redacted]@repo.example/x?token=[redacted]');
    expect(leakIn(text)).toBeNull();
    // What the Temporal UI shows of a workflow while it runs.
    const { stdout: shown } = await stack.temporal('workflow', 'metadata', '-w', 'cluster/plain');
    expect(shown).toContain('leaky');
    expect(leakIn(shown)).toBeNull();
    expect(stack.worker.logs()).toContain('lab-leaky');
    expect(leakIn(stack.worker.logs())).toBeNull();
  });

  describe('with encryption', () => {
    let keys: string;
    let env: Record<string, string>;
    const withKeys = (...args: string[]) => runCli(args, { env, cwd: path.join(stack.lab.dir, 'specs') });

    async function startWorker(more: Record<string, string>): Promise<void> {
      await stack.worker.stop();
      stack.worker = await startWorkerProcess({
        address: stack.server.address,
        keyDir: stack.lab.keyDir,
        env: more,
      });
    }

    beforeAll(async () => {
      keys = path.join(stack.lab.dir, 'encryption');
      mkdirSync(keys);
      writeFileSync(path.join(keys, 'a.key'), randomBytes(32).toString('base64'), { mode: 0o600 });
      env = { TEMPORAL_ADDRESS: stack.server.address, OSPATCH_ENCRYPTION_KEYS: keys };
      stack.encryptionKeys = keys;
      await startWorker(env);
    });

    it('a cluster is patched as usual, and Temporal holds nothing readable', async () => {
      const file = stack.writeSpec({
        name: 'vault',
        identity: SEALED_KEY,
        patching: '{patchOnBoot: true, rebootIfRequired: false}',
      });
      const applied = await withKeys('apply', '-f', file, '--wait');
      expect(applied.stdout).toContain('vault created');
      const status = await withKeys('status', 'vault', '-o', 'json');
      expect(JSON.parse(status.stdout)).toMatchObject({ lastRun: { trigger: 'boot', total: 1 } });
      expect(JSON.parse((await withKeys('list', '-o', 'json')).stdout)).toEqual(
        expect.arrayContaining([expect.objectContaining({ cluster: 'vault', type: 'self-managed' })]),
      );
      // The first run met the package left broken, so the histories have failures, and now a success.
      const node = stack.lab.node('leaky');
      await node.exec("printf '#!/bin/sh\\n' >/var/lib/dpkg/info/lab-leaky.postinst; dpkg --configure -a");
      await node.offer({ name: 'lab-leaky', version: '3' });
      expect(await withKeys('patch', 'vault', '--wait')).toMatchObject({ code: 0 });
      const { text, payloads } = await readHistories(stack.server.address, /vault/);
      const words = ['lab-leaky', 'Debian', '127.0.0.1', 'ssh-ed25519', 'repo.example', 'dpkg', stack.lab.keyDir];
      expect(words.filter((word) => text.includes(word))).toEqual([]);
      const decoded = await createCodec(readKeyRing(keys)).decode(payloads);
      const readable = decoded.map(({ data }) => Buffer.from(data ?? []).toString()).join('\n');
      for (const word of ['lab-leaky', 'Debian', '127.0.0.1', 'ssh-ed25519', 'dpkg']) expect(readable).toContain(word);
      expect(leakIn(readable)).toBeNull();
    });

    it('a cluster from before encryption continues, and the same command reads its state', async () => {
      const status = await withKeys('status', 'plain', '-o', 'json');
      expect(JSON.parse(status.stdout)).toMatchObject({ cluster: 'plain', lastRun: { number: 2 } });
    });

    it('a command without the keys reports that, and sends no request whose result would be unreadable', async () => {
      for (const args of [
        ['status', 'vault'],
        ['patch', 'vault'],
        ['pause', 'vault'],
      ]) {
        const { code, stderr, stdout } = await stack.cli(...args);
        expect(stderr).toMatch(
          /^error: a payload in Temporal is encrypted with the key a:[0-9a-f]{12}, and no key is configured here\.\n {2}fix: set OSPATCH_ENCRYPTION_KEYS /,
        );
        expect(stdout).toBe('');
        expect(code).toBe(2);
      }
      // Readable clusters are still listed.
      expect((await stack.cli('list')).stdout).toMatch(/^vault +\S+ +encrypted /m);
      const status = await withKeys('status', 'vault', '-o', 'json');
      expect(JSON.parse(status.stdout)).toMatchObject({ paused: null, run: null, lastRun: { number: 2 } });
    });

    it('the codec server decodes what the workers wrote', async () => {
      const { payloads } = await readHistories(stack.server.address, /^cluster\/vault$/);
      const program = path.join(__dirname, '../../bin/ospatch.js');
      const [port = 0] = await freePorts(1);
      const tokenFile = path.join(keys, 'token');
      const server = spawn(
        process.execPath,
        [program, 'codec-server', '--port', `${port}`, '--token-file', tokenFile],
        {
          env: { ...process.env, ...env },
          stdio: ['ignore', 'pipe', 'inherit'],
        },
      );
      try {
        const [line] = (await once(server.stdout, 'data')) as [Buffer];
        expect(line.toString()).toBe(`codec endpoint: http://127.0.0.1:${port}\n`);
        const body = {
          payloads: payloads.map(({ metadata, data }) => ({
            metadata: Object.fromEntries(
              Object.entries(metadata ?? {}).map(([name, value]) => [name, Buffer.from(value).toString('base64')]),
            ),
            data: Buffer.from(data ?? []).toString('base64'),
          })),
        };
        const endpoint = `http://127.0.0.1:${port}/decode`;
        const request = { method: 'POST', body: JSON.stringify(body) };
        expect((await fetch(endpoint, request)).status).toBe(401);
        const authorization = `Bearer ${readFileSync(tokenFile, 'utf8').trim()}`;
        const response = await fetch(endpoint, { ...request, headers: { authorization } });
        const answer = (await response.json()) as { payloads: { data: string }[] };
        const text = answer.payloads.map(({ data }) => Buffer.from(data, 'base64').toString()).join('\n');
        expect(text).toContain('"name":"vault"');
      } finally {
        server.kill();
        await once(server, 'exit');
      }
    });

    it('a worker without the keys does no harm to the cluster, which continues with the next worker that has them', async () => {
      await startWorker({});
      const { code } = await withKeys('status', 'vault', '--timeout', '5s');
      expect(code).toBe(1);
      await startWorker(env);
      const status = await withKeys('status', 'vault', '-o', 'json');
      expect(JSON.parse(status.stdout)).toMatchObject({ cluster: 'vault', state: 'idle', lastRun: { number: 2 } });
    });
  });
});
