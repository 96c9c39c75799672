import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { processStartTime } from '../../src/dev/host';
import { runHook } from '../../src/hooks/run-hook';
import { pluginEnvironment } from '../../src/kubernetes/client/plugin-environment';
import { programEnvironment } from '../../src/programs/environment';
import { findProgram } from '../../src/programs/find-program';
import type { ProgramOptions } from '../../src/programs/run-program';
import { runWorkerProgram } from '../../src/programs/run-program';
import { findPassphrase } from '../../src/ssh/builtin/passphrase';
import { nodeSpec } from '../support/builders';
import { waitFor } from '../support/wait-for';

const SECRETS = {
  TEMPORAL_API_KEY: 'planted-temporal',
  TEMPORAL_TLS_CLIENT_KEY_DATA: 'planted-tls',
  SSH_AUTH_SOCK: '/planted/agent',
  AWS_SECRET_ACCESS_KEY: 'planted-aws',
  OSPATCH_ENCRYPTION_KEYS: '/planted/keys',
  GITHUB_TOKEN: 'planted-github',
};

const { signal } = new AbortController();
const target = { cluster: 'prod', ...nodeSpec('w-1') };
let dir: string;
let before: NodeJS.ProcessEnv;

beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'ospatch-programs-'));
  before = { ...process.env };
  Object.assign(process.env, SECRETS);
});

afterEach(() => {
  process.env = before;
  rmSync(dir, { recursive: true, force: true });
});

function place(name: string, body: string): string {
  const file = path.join(dir, name);
  writeFileSync(file, `#!/bin/sh\n${body}\n`);
  chmodSync(file, 0o700);
  return file;
}

const read = (name: string): string => readFileSync(path.join(dir, name), 'utf8');
const run = (file: string, options: Partial<ProgramOptions> = {}) =>
  runWorkerProgram(file, { args: [], env: programEnvironment(), timeoutMs: 30_000, maxBytes: 1_000, ...options });
const hookError = (name: string, timeoutMs?: number, at = dir): Promise<Error> =>
  runHook(at, name, target, signal, timeoutMs).then(
    () => new Error('it ran'),
    (error: Error) => error,
  );
const isOver = (pid: string): boolean => processStartTime(Number(pid)) === undefined;

describe('the environment of programs', () => {
  it('of a hook has the settings of hooks and nothing else of the worker', async () => {
    process.env['OSPATCH_HOOK_BMC'] = 'bmc.example';
    place('cycle', `env >${dir}/environment; pwd >${dir}/place; cat >${dir}/input`);
    await runHook(dir, 'cycle', target, signal);
    expect(read('environment')).toMatch(/^OSPATCH_HOOK_BMC=bmc\.example$/m);
    expect(read('environment')).not.toMatch(/planted/);
    expect(read('environment')).toMatch(/^PATH=/m);
    expect(read('place')).toBe('/\n');
    expect(read('input')).toBe('');
  });

  it('of a passphrase command has no secret of the worker', async () => {
    const command = place('show', `env >${dir}/environment; echo passphrase`);
    const found = await findPassphrase('id', { passphraseCommand: [command] }, () => Promise.resolve(undefined));
    expect(found.toString()).toBe('passphrase');
    expect(read('environment')).not.toMatch(/planted/);
  });

  it("of a vendor's plugin has the variables of that vendor, unless the kubeconfig names another program", () => {
    expect(pluginEnvironment('aws', {})).toMatchObject({ AWS_SECRET_ACCESS_KEY: 'planted-aws' });
    for (const other of ['./aws', '/tmp/aws', 'gcloud', 'constructor', 'plugin']) {
      expect(JSON.stringify(pluginEnvironment(other, { NAMED: 'x' }))).not.toContain('planted');
      expect(pluginEnvironment(other, { NAMED: 'x' })).toMatchObject({ NAMED: 'x' });
    }
    expect(JSON.stringify(pluginEnvironment('aws', {}))).not.toMatch(/planted-(?!aws)|\/planted/);
  });
});

describe('programs that others can replace', () => {
  it('are not run from a directory that others can write to', async () => {
    place('cycle', 'true');
    chmodSync(dir, 0o770);
    expect((await hookError('cycle')).message).toContain(`${dir} can be changed by group`);
  });

  it('are not run below a directory that others can write to', async () => {
    const hooks = path.join(dir, 'shared', 'hooks');
    mkdirSync(hooks, { recursive: true, mode: 0o700 });
    writeFileSync(path.join(hooks, 'cycle'), '#!/bin/sh\n', { mode: 0o700 });
    chmodSync(path.join(dir, 'shared'), 0o777);
    expect((await hookError('cycle', undefined, hooks)).message).toContain('can be changed by everybody');
  });

  it('are not found in a directory of PATH that others can write to, nor in a relative one', () => {
    const program = place('plugin', 'true');
    expect(findProgram('plugin', { searchPath: `relative:${dir}` })).toBe(program);
    expect(findProgram('plugin', { searchPath: path.relative(process.cwd(), dir) })).toBeNull();
    chmodSync(dir, 0o777);
    expect(() => findProgram('plugin', { searchPath: dir })).toThrow('can be changed by everybody');
  });

  it.each(['-oProxyCommand=x', 'a\nb'])('get no argument %j', async (host) => {
    place('cycle', `touch ${dir}/ran`);
    await expect(runHook(dir, 'cycle', { ...target, host }, signal)).rejects.toMatchObject({ type: 'PowerCycle' });
    expect(existsSync(path.join(dir, 'ran'))).toBe(false);
  });
});

describe('the output of programs', () => {
  it.each([
    ['an argument of ipmitool', 'ipmitool -H 10.0.0.1 -U root -P planted-1 chassis power cycle'],
    ['an argument of curl', 'curl -u admin:planted-2 https://bmc'],
    ['an address', 'could not open https://admin:planted-3@bmc/redfish'],
    ['a header', 'Authorization: Basic planted-4'],
    ['a long option', 'run --password planted-5'],
    ['a variable', 'planted-secret-variable was refused'],
  ])('is shown without the secret in %s', async (_, line) => {
    process.env['OSPATCH_HOOK_PASSWORD'] = 'planted-secret-variable';
    place('fails', `printf '%s\\n' '${line}' >&2; exit 1`);
    const { message } = await hookError('fails');
    expect(message).toContain('exited with code 1 (');
    expect(message).not.toContain('planted');
  });

  it('is shown without control characters', async () => {
    place('fails', String.raw`printf 'a\033[31mb\033]0;title\007\342\200\256c\n' >&2; exit 1`);
    expect((await hookError('fails')).message).toMatch(/\(ab ?\]0;title ?c\)$/);
  });

  it('ends a program that prints without end, in both streams', async () => {
    expect(await run(place('floods', 'exec yes'))).toMatchObject({
      end: { kind: 'too-much' },
      stdout: Buffer.alloc(0),
    });
    const { end, stderr } = await run(place('wails', 'yes "password=planted" >&2'));
    expect(end).toEqual({ kind: 'too-much' });
    expect(stderr).not.toContain('planted');
    expect(stderr.length).toBeLessThan(32 * 1024);
  });

  it('loses a secret whose name was cut off', async () => {
    const long = `printf 'password=%s' >&2; head -c 40000 /dev/zero | tr '\\0' s >&2; printf '\\nlast\\n' >&2`;
    expect((await run(place('long', long))).stderr).toBe('last\n');
  });
});

describe('the processes of programs', () => {
  it('end all when the program takes too long, also those that ignore SIGTERM', async () => {
    const stubborn = `trap '' TERM; sleep 1000 & echo $! >${dir}/child; echo $$ >${dir}/self; while :; do sleep 1000; done`;
    expect(await run(place('hangs', stubborn), { timeoutMs: 2_000 })).toMatchObject({ end: { kind: 'timeout' } });
    await waitFor(() => isOver(read('child')) && isOver(read('self')), { what: 'the end of the group' });
  });

  it('may clean up after SIGTERM', async () => {
    const tidy = `trap 'echo done >${dir}/tidy; exit 0' TERM; echo up >${dir}/up; while :; do sleep 0.05; done`;
    const controller = new AbortController();
    const result = run(place('tidy-up', tidy), { signal: controller.signal });
    await waitFor(() => existsSync(path.join(dir, 'up')), { what: 'the start' });
    controller.abort(new Error('cancelled'));
    await expect(result).rejects.toThrow('cancelled');
    expect(read('tidy')).toBe('done\n');
  });

  it('end when the activity is cancelled', async () => {
    const controller = new AbortController();
    const result = run(place('hangs', `echo $$ >${dir}/self; exec sleep 1000`), { signal: controller.signal });
    await waitFor(() => existsSync(path.join(dir, 'self')) && read('self') !== '', { what: 'the start' });
    controller.abort(new Error('cancelled'));
    await expect(result).rejects.toThrow('cancelled');
    await waitFor(() => isOver(read('self')), { what: 'its end' });
  });

  it.each([
    ['in the group', 'sleep 1000'],
    ['in a session of its own', 'setsid sleep 1000'],
  ])('are not waited for when a child %s keeps the output open', async (_, child) => {
    const { end } = await run(place('leaves', `${child} & echo $! >${dir}/child; exit 0`), { timeoutMs: 60_000 });
    expect(end).toEqual({ kind: 'exit', code: 0 });
    if (child.startsWith('sleep')) await waitFor(() => isOver(read('child')), { what: 'the end of the child' });
    else process.kill(Number(read('child')), 'SIGKILL');
  });

  it('are started only here, for keys and signatures, by the SSH client, for systemd and by ospatch dev', () => {
    const src = path.join(__dirname, '../../src');
    const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
    const users = files.filter((file) => readFileSync(path.join(src, file), 'utf8').includes("'node:child_process'"));
    expect(users.toSorted()).toEqual([
      'cli/commands/init/keys.ts',
      'dev/host.ts',
      'dev/owner-lock.ts',
      'dev/reaper.ts',
      'dev/temporal-server.ts',
      'programs/run-program.ts',
      'service-manager.ts',
      'signatures/ssh-keygen.ts',
      'ssh/openssh/capabilities.ts',
      'ssh/openssh/client.ts',
      'ssh/openssh/connection.ts',
    ]);
  });
});
