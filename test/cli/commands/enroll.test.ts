import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { parseExpected, readExpected } from '../../../src/cli/commands/enroll/expected';
import { finishEnrolment } from '../../../src/cli/commands/enroll/finish';
import { appendKnownHosts } from '../../../src/cli/io/known-hosts-file';
import type { ScannedNode } from '../../../src/cli/render/enroll';
import { buildProgram } from '../../../src/cli/program';
import { fingerprint } from '../../../src/ssh/host-keys';
import type { TestServer } from '../../ssh/support';
import { keyPair, startServer } from '../../ssh/support';
import { fakeTerminal } from '../support';

let dir: string;
let file: string;
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'ospatch-enrol-'));
  file = path.join(dir, 'known_hosts');
});
afterEach(() => rmSync(dir, { recursive: true }));

const fresh = { state: 'new', type: 'ssh-ed25519', base64: 'AAAA', fingerprint: 'SHA256:abc' } as const;

function scanned(node: string, found: ScannedNode['found'] = fresh, port = 22): ScannedNode {
  return { cluster: 'demo', node, host: `${node}.example`, port, knownHostsPath: file, found };
}

/** A user at a terminal who types `answer`. */
function person(answer: string) {
  const stdin = Object.assign(new PassThrough(), { isTTY: true });
  stdin.end(answer);
  return fakeTerminal({ stdin, isErrorTTY: true });
}

describe('src/cli/commands/enroll/finish', () => {
  const options = { yes: false, isJson: false, file: 'spec.yaml' };

  test('shows the fingerprints, asks for confirmation, and writes names with and without a port', async () => {
    const terminal = person('y\n');
    await finishEnrolment(terminal.context, [scanned('w-1'), scanned('w-2', fresh, 2222)], options);
    expect(terminal.out()).toMatch(/^w-1 +w-1\.example:22 +ssh-ed25519 +SHA256:abc$/m);
    expect(terminal.err()).toContain(`write 2 keys to ${file}? [y/N]`);
    expect(readFileSync(file, 'utf8')).toBe('w-1.example ssh-ed25519 AAAA\n[w-2.example]:2222 ssh-ed25519 AAAA\n');
    expect(terminal.exitCode()).toBe(0);
  });

  test.each(['\n', 'n\n', 'yep\n', ''])('writes nothing and fails when the answer is %j', async (answer) => {
    const terminal = person(answer);
    await finishEnrolment(terminal.context, [scanned('w-1')], options);
    expect(readdirSync(dir)).toEqual([]);
    expect(terminal.exitCode()).toBe(1);
  });

  test('refuses without a terminal unless --yes is given', async () => {
    const rejected = finishEnrolment(fakeTerminal().context, [scanned('w-1')], options);
    await expect(rejected).rejects.toMatchObject({
      type: 'Usage',
      remedy: expect.stringContaining('--expect') as string,
    });
    expect(readdirSync(dir)).toEqual([]);
    await finishEnrolment(fakeTerminal().context, [scanned('w-1')], { ...options, yes: true });
    expect(readdirSync(dir)).toEqual(['known_hosts']);
  });

  test('never writes a key that differs from the known one, reports the mismatch, and still enrolls the other nodes', async () => {
    const changed = {
      state: 'refused',
      type: 'ssh-ed25519',
      fingerprint: 'SHA256:evil',
      why: 'has another host key',
    } as const;
    const terminal = fakeTerminal();
    const away = { state: 'unreachable', why: 'w-3 cannot be reached' } as const;
    await finishEnrolment(terminal.context, [scanned('w-1', changed), scanned('w-2'), scanned('w-3', away)], {
      ...options,
      yes: true,
    });
    expect(readFileSync(file, 'utf8')).toBe('w-2.example ssh-ed25519 AAAA\n');
    expect(terminal.err()).toMatch(/WARNING: w-1 .* has another host key: it shows ssh-ed25519 SHA256:evil/);
    expect(terminal.err()).toContain('not reached: w-3 cannot be reached');
    expect(terminal.exitCode()).toBe(1);
  });

  test('-o json reserves standard output for one document', async () => {
    const terminal = fakeTerminal();
    await finishEnrolment(terminal.context, [scanned('w-1')], { ...options, yes: true, isJson: true });
    expect(JSON.parse(terminal.out())).toEqual({
      nodes: [
        {
          ...{ cluster: 'demo', node: 'w-1', host: 'w-1.example', port: 22 },
          ...{ state: 'new', type: 'ssh-ed25519', fingerprint: 'SHA256:abc', why: null },
        },
      ],
      written: [{ file, keys: 1 }],
    });
  });
});

describe('src/cli/io/known-hosts-file', () => {
  test('appends after a missing newline, keeps the mode and leaves no temporary file behind', async () => {
    writeFileSync(file, 'old ssh-ed25519 BBBB', { mode: 0o600 });
    await appendKnownHosts(file, ['new ssh-ed25519 AAAA']);
    expect(readFileSync(file, 'utf8')).toBe('old ssh-ed25519 BBBB\nnew ssh-ed25519 AAAA\n');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readdirSync(dir)).toEqual(['known_hosts']);
  });

  test('creates a world-readable file, whatever the umask', async () => {
    const before = process.umask(0o077);
    await appendKnownHosts(file, ['new ssh-ed25519 AAAA']);
    process.umask(before);
    expect(statSync(file).mode & 0o777).toBe(0o644);
  });

  test('reports a write failure in one sentence', async () => {
    const writing = appendKnownHosts(path.join(dir, 'no', 'such', 'known_hosts'), ['x']);
    await expect(writing).rejects.toMatchObject({
      type: 'Usage',
      message: expect.stringContaining('cannot be written') as string,
    });
  });
});

describe('src/cli/commands/enroll --expect', () => {
  const servers: TestServer[] = [];
  const keys = { 'w-1': keyPair(), 'w-2': keyPair('ecdsa'), 'w-3': keyPair() };
  const print = (pair: { public: string }) => fingerprint(Buffer.from(pair.public.split(' ')[1] ?? '', 'base64'));

  beforeAll(async () => {
    for (const pair of Object.values(keys)) {
      const hostKeys = pair === keys['w-2'] ? [keyPair(), pair] : [pair];
      servers.push(await startServer({ hostKeys, accepts: '', onExec: () => undefined }));
    }
  });
  afterAll(() => servers.forEach((server) => server.stop()));

  async function enroll(expected: string, ...more: string[]) {
    const nodes = Object.keys(keys).map(
      (name, index) => `  - {name: ${name}, host: 127.0.0.1, ssh: {port: ${servers[index]?.port}}}\n`,
    );
    const spec = path.join(dir, 'spec.yaml');
    writeFileSync(
      spec,
      `apiVersion: ospatch/v1\nname: demo\ntype: self-managed\nssh: {user: root}\npatching: {schedule: weekly}\nnodes:\n${nodes.join('')}`,
    );
    writeFileSync(path.join(dir, 'prints'), expected);
    const terminal = fakeTerminal();
    const program = buildProgram(terminal.context);
    await program.parseAsync(['enroll', '-f', spec, '--expect', path.join(dir, 'prints'), ...more], { from: 'user' });
    return { terminal, written: existsSync(file) ? readFileSync(file, 'utf8') : '' };
  }

  test('writes the keys that the file names, of whatever type, and no others', async () => {
    const port = servers[1]?.port;
    const { terminal, written } = await enroll(
      [
        '# from the consoles',
        `w-1 ${print(keys['w-1'])} root@w-1 (ED25519)`,
        `127.0.0.1:${port} ${keys['w-2'].public}`,
        `w-3 ${print(keyPair())}`,
      ].join('\n'),
    );
    expect(written.trim().split('\n')).toEqual([
      `[127.0.0.1]:${servers[0]?.port} ${keys['w-1'].public}`,
      `[127.0.0.1]:${port} ${keys['w-2'].public}`,
    ]);
    expect(terminal.err()).toMatch(/WARNING: w-3 .* has another host key than --expect says: it shows/);
    expect(terminal.exitCode()).toBe(1);
  });

  test('refuses a key that was trusted before, perhaps blindly, where the file names another one', async () => {
    const before = `[127.0.0.1]:${servers[0]?.port} ${keys['w-1'].public}\n`;
    writeFileSync(file, before);
    const all = `w-2 ${print(keys['w-2'])}\nw-3 ${print(keys['w-3'])}\n`;
    const { terminal, written } = await enroll(`w-1 ${print(keyPair())}\n${all}`);
    expect(terminal.err()).toMatch(/WARNING: w-1 .* has another host key than --expect says: it shows/);
    expect(written.startsWith(before)).toBe(true);
    expect(terminal.exitCode()).toBe(1);
    // Nothing is said about a trusted node that the file does not name.
    expect((await enroll(all)).terminal.exitCode()).toBe(0);
  });

  test('does not take the key of one node for another, and refuses a node that the file does not name', async () => {
    const { terminal, written } = await enroll(`w-3 ${print(keys['w-1'])}\nw-2 ${print(keys['w-1'])}\n`);
    expect(written).toBe('');
    expect(terminal.err()).toMatch(/w-1 .* is not named in the file of --expect/);
  });

  test.each(['w-1', 'w-1 MD5:00:11', 'w-1 SHA256:short', 'w-1 ssh-ed25519 AAAA'])(
    'refuses a line that is no fingerprint: %s',
    (line) => expect(() => parseExpected(`# one\n${line}`, 'prints', fingerprint)).toThrow('prints: line 2: found'),
  );

  test('says so when a fingerprint takes the place of the file, or is cut off', async () => {
    await expect(readExpected(path.join(dir, 'SHA256:AAA'), process.stdin, fingerprint)).rejects.toThrow(
      '--expect: found SHA256:AAA; allowed: a file with lines of NAME SHA256:...',
    );
  });

  test('contradicts --yes', async () => {
    expect((await enroll('', '--yes')).terminal.err()).toContain('--expect and --yes contradict each other');
  });
});
