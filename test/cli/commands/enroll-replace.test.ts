import {
  lstatSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { buildProgram } from '../../../src/cli/program';
import { fingerprint } from '../../../src/ssh/host-keys';
import type { TestServer } from '../../ssh/support';
import { keyPair, startServer } from '../../ssh/support';
import { fakeTerminal } from '../support';

/** `w-1` was rebuilt; `w-2` was not, and comes from the same template. */
const [OLD, NEW, OTHER] = [keyPair(), keyPair(), keyPair()];
const NEW_ECDSA = keyPair('ecdsa');
const print = (pair: { public: string }): string => fingerprint(Buffer.from(pair.public.split(' ')[1] ?? '', 'base64'));

const servers: TestServer[] = [];
let dir: string;
let ports: number[];

beforeAll(async () => {
  for (const hostKeys of [[NEW, NEW_ECDSA], [OLD]])
    servers.push(await startServer({ hostKeys, accepts: '', onExec: () => undefined }));
  ports = servers.map(({ port }) => port);
});
afterAll(() => servers.forEach((server) => server.stop()));
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'ospatch-replace-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

function writeSpec(more = ''): void {
  const nodes = ports.map(
    (port, at) => `  - {name: w-${at + 1}, host: 127.0.0.1, ssh: {port: ${port}}${at === 0 ? more : ''}}\n`,
  );
  writeFileSync(
    path.join(dir, 'spec.yaml'),
    `apiVersion: ospatch/v1\nname: demo\nssh: {user: root}\npatching: {}\nnodes:\n${nodes.join('')}`,
  );
}

const known = (...keys: [number, string][]): string =>
  keys.map(([at, key]) => `[127.0.0.1]:${ports[at]} ${key}\n`).join('');

function knownHosts(): string {
  return readFileSync(path.join(dir, 'known_hosts'), 'utf8');
}

async function replace(args: string[], { answer, env = {} }: { answer?: string; env?: Record<string, string> } = {}) {
  const stdin = Object.assign(new PassThrough(), { isTTY: true });
  if (answer !== undefined) stdin.end(answer);
  const terminal = fakeTerminal({ cwd: dir, env, ...(answer === undefined ? {} : { stdin, isErrorTTY: true }) });
  const program = buildProgram(terminal.context);
  await program.parseAsync(['enroll', '-f', 'spec.yaml', '--no-apply', ...args], { from: 'user' });
  return terminal;
}

describe('src/cli/commands/enroll --replace', () => {
  test('shows the old and the new key, asks, and keeps link, mode and the other node', async () => {
    writeSpec();
    writeFileSync(path.join(dir, 'shared'), known([0, OLD.public], [1, OLD.public]), { mode: 0o600 });
    symlinkSync('shared', path.join(dir, 'known_hosts'));
    const terminal = await replace(['--replace', 'w-1'], { answer: 'y\n' });
    expect(terminal.out()).toContain(
      `trusted host key:\n  ssh-ed25519 ${print(OLD)}\nhost key shown now:\n  ssh-ed25519 ${print(NEW)}\n`,
    );
    expect(terminal.err()).toContain('replace the trusted host keys of w-1 in known_hosts? [y/N]');
    expect(knownHosts()).toBe(known([0, NEW.public], [1, OLD.public]));
    expect(readFileSync(path.join(dir, 'known_hosts.old'), 'utf8')).toBe(known([0, OLD.public], [1, OLD.public]));
    expect(lstatSync(path.join(dir, 'known_hosts')).isSymbolicLink()).toBe(true);
    expect(statSync(path.join(dir, 'shared')).mode & 0o777).toBe(0o600);
    expect(readdirSync(dir).toSorted()).toEqual(['known_hosts', 'known_hosts.old', 'shared', 'spec.yaml']);
    expect(statSync(path.join(dir, 'known_hosts.old')).mode & 0o777).toBe(0o600);
    expect(terminal.exitCode()).toBe(0);
    const again = await replace(['--replace', 'w-1'], { answer: '' });
    expect(again.out()).toBe('w-1 still has its trusted host key, so nothing is replaced\n');
  });

  test.each(['n\n', '\n', ''])('writes nothing when the answer is %j', async (answer) => {
    writeSpec();
    writeFileSync(path.join(dir, 'known_hosts'), known([0, OLD.public]));
    const terminal = await replace(['--replace', 'w-1'], { answer });
    expect(knownHosts()).toBe(known([0, OLD.public]));
    expect([terminal.exitCode(), terminal.err()]).toEqual([1, expect.stringContaining('nothing was written')]);
  });

  test('without a terminal writes only the key whose fingerprint is expected, of several types', async () => {
    writeSpec();
    writeFileSync(path.join(dir, 'known_hosts'), known([0, OLD.public], [0, keyPair('ecdsa').public], [1, OLD.public]));
    const refused = await replace(['--replace', 'w-1', '--expect', print(OTHER)]);
    expect([refused.exitCode(), refused.err()]).toEqual([
      1,
      expect.stringContaining('has another host key than --expect says'),
    ]);
    const terminal = await replace(['--replace', 'w-1', '--expect', print(NEW), '-o', 'json']);
    expect(knownHosts()).toBe(known([0, NEW.public], [1, OLD.public]));
    expect(JSON.parse(terminal.out())).toMatchObject({
      nodes: [{ node: 'w-1', state: 'changed', after: [{ type: 'ssh-ed25519', fingerprint: print(NEW) }] }],
      written: [{ file: path.join(dir, 'known_hosts'), node: 'w-1' }],
      applied: [],
    });
  });

  test('replaces the key where it is: in the spec, and in the known_hosts of the policy', async () => {
    writeSpec(`, hostKeys: ["${OLD.public}"]`);
    writeFileSync(path.join(dir, 'policy.yaml'), 'version: 1\nknownHosts: trusted\nrules: []\n');
    writeFileSync(path.join(dir, 'trusted'), known([0, OLD.public]));
    await replace(['--replace', 'w-1', '--expect', print(NEW)], { env: { OSPATCH_POLICY: 'policy.yaml' } });
    expect(readFileSync(path.join(dir, 'spec.yaml'), 'utf8')).toContain(`hostKeys: ["${NEW.public}"]`);
    expect(readFileSync(path.join(dir, 'trusted'), 'utf8')).toBe(known([0, NEW.public]));
    expect(readFileSync(path.join(dir, 'spec.yaml.old'), 'utf8')).toContain(`hostKeys: ["${OLD.public}"]`);
    expect(readdirSync(dir)).not.toContain('known_hosts');
  });

  test('moves another name of the machine, and not that of its twin', async () => {
    writeSpec();
    const line = (name: string, at: number): string => `[${name}]:${ports[at]}`;
    writeFileSync(
      path.join(dir, 'known_hosts'),
      `${line('127.0.0.1', 0)},${line('localhost', 0)},${line('127.0.0.1', 1)} ${OLD.public}\n`,
    );
    const terminal = await replace(['--replace', 'w-1', '--expect', print(NEW)]);
    expect(terminal.out()).toContain(`the same machine: ${line('localhost', 0)}`);
    expect(knownHosts()).toBe(
      `${line('127.0.0.1', 1)} ${OLD.public}\n${line('127.0.0.1', 0)},${line('localhost', 0)} ${NEW.public}\n`,
    );
  });

  test('never trusts a revoked key, and keeps the line that revokes it', async () => {
    writeSpec();
    const text = `${known([0, OLD.public])}@revoked * ${NEW.public}\n`;
    writeFileSync(path.join(dir, 'known_hosts'), text);
    const terminal = await replace(['--replace', 'w-1', '--expect', print(NEW)]);
    expect(terminal.err()).toContain('has a host key that is @revoked');
    expect([terminal.exitCode(), knownHosts()]).toEqual([1, text]);
  });

  test.each([
    [['--replace', 'w-1', '--admin-identity', 'x'], '--admin-identity without --admin'],
    [['--replace', 'w-1', '--yes'], 'a changed host key is never trusted blindly'],
    [['--replace', 'w-1'], 'there is no terminal to confirm on'],
    [['--replace', 'w-9'], '--replace: found "w-9"; allowed: a node or the address of a jump host in spec.yaml'],
    [['--replace', 'w-1', '--replace', 'w-2', '--expect', print(NEW)], 'found one fingerprint for 2 nodes'],
  ])('refuses %j', async (args, message) => {
    writeSpec();
    writeFileSync(path.join(dir, 'known_hosts'), known([0, OLD.public]));
    const terminal = await replace(args);
    expect([terminal.exitCode(), terminal.err()]).toEqual([2, expect.stringContaining(message)]);
    expect(terminal.err()).toContain('  fix: ');
  });

  test('reports a node that does not answer by its name, and a file that cannot be written', async () => {
    writeSpec();
    writeFileSync(path.join(dir, 'known_hosts'), known([0, OLD.public]));
    const gone = await startServer({ hostKeys: [OLD], accepts: '', onExec: () => undefined });
    gone.stop();
    writeFileSync(
      path.join(dir, 'spec.yaml'),
      readFileSync(path.join(dir, 'spec.yaml'), 'utf8').replace(String(ports[1]), String(gone.port)),
    );
    writeFileSync(path.join(dir, 'known_hosts'), `[127.0.0.1]:${gone.port} ${OLD.public}\n`);
    const terminal = await replace(['--replace', 'w-2', '--expect', print(NEW)]);
    expect([terminal.exitCode(), terminal.err()]).toEqual([1, expect.stringMatching(/^not reached: w-2 /)]);
  });
});
