import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { utils } from 'ssh2';
import { adminIdentity, usualAdminIdentity } from '../../../src/cli/commands/init/admin';
import { parseNode } from '../../../src/cli/commands/init/answers';
import { settleFiles, writeFiles } from '../../../src/cli/commands/init/files';
import { checked } from '../../../src/cli/commands/init/host-keys';
import { REFUSED } from '../../../src/cli/render/enroll';
import { settled } from '../../../src/cli/commands/init/settled';
import type { Inspected } from '../../../src/cli/commands/init/settled';
import { clusterDiagnosis } from '../../../src/client/doctor';
import type { Finding } from '../../../src/domain/inspection/finding';
import { problem } from '../../../src/domain/inspection/finding';
import { environmentText, policyText, specText } from '../../../src/cli/commands/init/texts';
import { Interrupted, Prompter } from '../../../src/cli/io/prompter';
import { changedLines } from '../../../src/cli/render/text-diff';
import { parsePolicy } from '../../../src/domain/policy/parse';
import { OspatchError } from '../../../src/domain/shared/errors';
import { parseSpec } from '../../../src/domain/spec/parse';
import { parseDocuments } from '../../../src/client/load/documents';
import { KEY } from '../../domain/spec/spec-document';
import { runOffline } from '../offline-context';
import { fakeTerminal } from '../support';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'ospatch-init-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

const answers = {
  cluster: 'demo',
  nodes: [
    { name: 'w-1', user: 'ospatch', host: '10.0.0.12', port: 22 },
    { name: 'w-2', user: 'root', host: 'fd00::2', port: 2222 },
  ],
  jump: { user: 'jump', host: 'bastion.example.com', port: 22 },
  schedule: 'weekly',
  timeZone: 'Europe/Berlin',
  reboot: false,
  identity: 'id_ed25519',
  admin: { user: 'root', identity: 'agent' },
};

const unforced = { isForced: false, newKey: null };
const parsed = (text: string): unknown => parseDocuments(text).documents[0]?.value;

describe('src/cli/commands/init', () => {
  test('names all options that are missing in one error', async () => {
    const { code, stderr } = await runOffline(['init'], { cwd: dir });
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /^error: there is no terminal to ask on, and these options are missing: --cluster NAME, --node USER@HOST, --expect/,
    );
  });

  test.each([
    [['--node', 'a b'], '--node: found "a b"; allowed: [NAME=][USER@]HOST[:PORT]'],
    [['--node', 'w_1=10.0.0.1'], 'allowed: a name of lower-case letters'],
    [['--node', 'ALL@10.0.0.1'], 'allowed: a user name'],
    [['--node', '10.0.0.1', '--node', 'x=10.0.0.1'], 'found the address 10.0.0.1:22 twice'],
    [['--schedule', 'daily'], '--schedule: found "daily"; allowed: weekly'],
    [['--time-zone', 'Mars/Olympus'], '--time-zone: found "Mars/Olympus"'],
    [['--cluster', 'Prod'], '--cluster: found "Prod"; allowed: at most 63'],
    [['--identity', '../id'], '--identity: found "../id"'],
    [['--admin-identity', 'x'], '--admin-identity without --admin'],
    [['--admin', 'root', '--admin-identity', './none'], '/none does not exist or cannot be read'],
    [['--admin', 'root'], 'there is no ssh-agent with the key of --admin'],
  ])('refuses %j before anything is asked or contacted', async (args, message) => {
    const { code, stderr } = await runOffline(['init', ...args], { cwd: dir });
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
  });

  test('finds the key of the administrator where a person names it', async () => {
    const keyDir = path.join(dir, 'keys');
    for (const name of ['.ssh', 'keys', 'work']) mkdirSync(path.join(dir, name));
    const { private: key } = utils.generateKeyPairSync('ed25519');
    for (const name of ['.ssh/id_rsa', 'keys/admin', 'keys/both', 'work/both'])
      writeFileSync(path.join(dir, name), key, { mode: 0o600 });
    const context = { cwd: path.join(dir, 'work'), env: { HOME: dir } };
    expect(await usualAdminIdentity(context)).toBe('~/.ssh/id_rsa');
    expect(await adminIdentity(context, '~/.ssh/id_rsa', keyDir)).toBe(path.join(dir, '.ssh/id_rsa'));
    expect(await adminIdentity(context, 'both', keyDir)).toBe(path.join(dir, 'work/both'));
    expect(await adminIdentity(context, 'admin', keyDir)).toBe(path.join(keyDir, 'admin'));
    await expect(adminIdentity(context, './admin', keyDir)).rejects.toThrow('does not exist');
    writeFileSync(path.join(dir, 'work/loose'), key, { mode: 0o644 });
    await expect(adminIdentity(context, 'loose', keyDir)).rejects.toMatchObject({
      message: expect.stringMatching(/^--admin-identity: the key "loose" is not used: .* \(mode 0644\)$/) as string,
      remedy: expect.stringContaining('chmod') as string,
    });
    writeFileSync(path.join(dir, 'work/text'), 'no key', { mode: 0o600 });
    await expect(adminIdentity(context, 'text', keyDir)).rejects.toThrow(
      '"text" is not a private key that can be read',
    );
    const withAgent = { ...context, env: { SSH_AUTH_SOCK: '/run/agent' } };
    expect(await usualAdminIdentity(withAgent)).toBe('agent');
    expect(await adminIdentity(withAgent, 'agent', keyDir)).toBe('agent');
  });

  test('asks the worker again about a node whose key was placed after a refusal, and about no other', async () => {
    const inspected = (node: string, check: Finding['check'] | null): Inspected => {
      const findings = check === null ? [] : [problem(check, 'wrong', null)];
      const nodes = [{ node, verdict: 'error' as const, findings, os: null, pending: null }];
      return {
        hasWorker: true,
        report: { verdict: 'error', installation: [], clusters: [clusterDiagnosis('demo', [], nodes)] },
      };
    };
    const answers = [inspected('w-1', 'login'), inspected('w-1', 'login'), inspected('w-1', null)];
    const terminal = fakeTerminal({ cwd: dir });
    const none = (): Promise<void> => Promise.resolve();
    let asked = 0;
    const next = (): Promise<Inspected> => Promise.resolve(answers[asked++] ?? inspected('w-1', null));
    await settled(terminal.context, ['w-1'], next, none);
    expect(asked).toBe(3);
    expect(terminal.err().match(/w-1 refused the key of the worker before it was placed/g)).toHaveLength(1);
    asked = 0;
    await settled(terminal.context, ['w-2'], next, none);
    expect(asked).toBe(1);
    asked = 0;
    await settled(
      terminal.context,
      ['w-1'],
      () => Promise.resolve(inspected('w-1', asked++ === 0 ? 'sudo' : null)),
      none,
    );
    expect(asked).toBe(1);
  });

  test('says that nothing listens, and writes nothing', async () => {
    const args = ['init', '--address', '127.0.0.1:1', '--cluster', 'demo', '--node', '127.0.0.1:1', '--yes'];
    const { code, stderr } = await runOffline([...args, '--config-dir', path.join(dir, 'config')], { cwd: dir });
    expect([code, stderr]).toEqual([1, expect.stringContaining('nothing listens at 127.0.0.1:1')]);
    expect(readdirSync(dir)).toEqual([]);
  });

  test.each([
    ['10.0.0.12', { name: 'node-3', user: 'ospatch', host: '10.0.0.12', port: 22 }],
    ['root@w-1.example.com:2222', { name: 'w-1', user: 'root', host: 'w-1.example.com', port: 2222 }],
    ['db=[fd00::2]:2222', { name: 'db', user: 'ospatch', host: 'fd00::2', port: 2222 }],
    ['fd00::2', { name: 'node-3', user: 'ospatch', host: 'fd00::2', port: 22 }],
  ])('reads the machine %s', (text, expected) => expect(parseNode(text, 2)).toEqual(expected));

  test('trusts a node behind a jump host only when the file of fingerprints names it', () => {
    const machine = { name: 'w-1', host: '10.0.0.12', port: 22 };
    const found = {
      state: 'new' as const,
      type: 'ssh-ed25519',
      base64: KEY.split(' ')[1] ?? '',
      fingerprint: 'SHA256:new',
    };
    const named = (name: string, print: string) => new Map([[name, new Map([[print, null]])]]);
    expect(checked(found, machine, '', null)).toEqual(found);
    expect(checked(found, machine, '', named('10.0.0.12', 'SHA256:new'))).toEqual(found);
    expect(checked(found, machine, '', named('w-2', 'SHA256:new'))).toMatchObject({ why: REFUSED.notNamed });
    expect(checked(found, machine, '', named('w-1', 'SHA256:old'))).toMatchObject({ why: REFUSED.expected });
    expect(checked(found, machine, `@revoked * ${KEY}\n`, null)).toMatchObject({ why: REFUSED.revoked });
  });

  test('writes a spec that is valid, and a policy that is', () => {
    const { spec, issues } = parseSpec(parsed(specText(answers)));
    expect(issues.filter(({ severity }) => severity === 'error')).toEqual([]);
    expect(spec).toMatchObject({ name: 'demo', patching: { rebootIfRequired: false, timeZone: 'Europe/Berlin' } });
    const { policy } = parsePolicy(parsed(policyText(null, answers, 'ospatch') ?? ''));
    expect(policy?.rules).toMatchObject([{ name: 'demo', clusters: ['demo'], ports: [22, 2222] }]);
  });

  test('adds a rule to a policy, and keeps its comments and other rules', () => {
    const existing = '# ours\nversion: 1\nrules:\n  - name: prod # all of it\n    clusters: ["prod-*"]\n';
    const text = policyText(existing, answers, 'ospatch') ?? '';
    expect(text).toContain('# ours\nversion: 1\nrules:\n  - name: prod # all of it\n');
    expect(parsePolicy(parsed(text)).policy?.rules.map(({ name }) => name)).toEqual(['prod', 'demo']);
    expect(policyText(text, answers, 'ospatch')).toBe(text);
    expect(policyText('rules: no', answers, 'ospatch')).toBeNull();
  });

  test('sets variables where their commented defaults are, and keeps the others', () => {
    const before = '# Settings\n#TEMPORAL_ADDRESS=x:7233\nOSPATCH_LOG_LEVEL=debug\n';
    const text = environmentText(before, { TEMPORAL_ADDRESS: 'a:7233', TEMPORAL_API_KEY: `k$'y` });
    expect(text).toBe(`# Settings\nTEMPORAL_ADDRESS=a:7233\nOSPATCH_LOG_LEVEL=debug\nTEMPORAL_API_KEY='k$'\\''y'\n`);
  });

  test('shows the lines that differ, without secrets', async () => {
    expect(changedLines('a\nb\nc\n', 'a\nx\nc\nd\n')).toEqual(['- b', '+ x', '+ d']);
    const terminal = fakeTerminal();
    const file = {
      path: path.join(dir, 'env'),
      what: 'settings',
      text: 'TEMPORAL_API_KEY=new\n',
      mode: 0o600,
      before: 'TEMPORAL_API_KEY=old\n',
    };
    await expect(settleFiles(terminal.context, null, [file], unforced)).rejects.toThrow('exists and differs');
    expect(terminal.err()).toContain('- TEMPORAL_API_KEY=[redacted]');
    expect(terminal.err()).not.toMatch(/old|new/);
  });

  test('adds to a file, and sets what it only mentions, without being forced', async () => {
    const before = '# TEMPORAL_ADDRESS=temporal.example:7233\n\nOSPATCH_LOG_LEVEL=debug\n';
    const file = (text: string) => ({ path: path.join(dir, 'env'), what: 'settings', text, mode: 0o600, before });
    const added = [file(environmentText(before, { TEMPORAL_ADDRESS: 'a:7233', OSPATCH_POLICY: '/p' }))];
    expect(await settleFiles(fakeTerminal().context, null, added, unforced)).toEqual(added);
    const lost = [file(environmentText(before, { OSPATCH_LOG_LEVEL: 'info' }))];
    await expect(settleFiles(fakeTerminal().context, null, lost, unforced)).rejects.toThrow('exists and differs');
  });

  test('writes all files or none', async () => {
    writeFileSync(path.join(dir, 'one'), 'before\n');
    writeFileSync(path.join(dir, 'a file'), '');
    const file = (name: string, before: string | null) => ({
      path: path.join(dir, name),
      what: name,
      text: 'after\n',
      mode: 0o644,
      before,
    });
    const writing = writeFiles(fakeTerminal().context, [
      file('one', 'before\n'),
      file('two', null),
      file('a file/three', null),
    ]);
    await expect(writing).rejects.toMatchObject({
      type: 'Usage',
      message: expect.stringContaining('nothing was written') as string,
    });
    expect(existsSync(path.join(dir, 'two'))).toBe(false);
    expect(changedLines('before\n', 'before\n')).toEqual([]);
    expect(readdirSync(dir).toSorted()).toEqual(['a file', 'one']);
  });
});

describe('src/cli/io/prompter', () => {
  function prompter() {
    const stdin = Object.assign(new PassThrough(), { isTTY: true });
    const terminal = fakeTerminal({ stdin, isErrorTTY: true });
    return { stdin, terminal, prompter: new Prompter(terminal.context) };
  }

  test('takes lines that are typed at once one by one, and does not show a secret', async () => {
    const { stdin, terminal, prompter: asking } = prompter();
    stdin.write('one\n\nhush\n');
    expect(await asking.ask({ text: 'first', parse: (text) => text })).toBe('one');
    expect(await asking.ask({ text: 'second', fallback: 'two', parse: (text) => text })).toBe('two');
    asking.close();
    const secret = prompter();
    const answer = secret.prompter.ask({ text: 'key', isSecret: true, parse: (text) => text });
    secret.stdin.write('hush\n');
    expect(await answer).toBe('hush');
    secret.prompter.close();
    expect(secret.terminal.err()).not.toContain('hush');
    expect(terminal.err()).toContain('second [two]: ');
  });

  test('asks again whether yes or no, and says what helps where that is not another answer', async () => {
    const { stdin, terminal, prompter: asking } = prompter();
    stdin.write('maybe\nNO\nx\ny\n');
    expect(await asking.confirm('sure?', true)).toBe(false);
    expect(terminal.err()).toContain('found "maybe"; allowed: y or n\n');
    const parse = (text: string): string => {
      if (text === 'y') return text;
      throw new OspatchError({ type: 'IdentityUnavailable', message: 'no key', remedy: 'make one' });
    };
    expect(await asking.ask({ text: 'key', parse })).toBe('y');
    expect(terminal.err()).toMatch(/no key\n {2}fix: make one\n/);
    asking.close();
  });

  test.each(['\u0003', '\u0004'])('ends at %j, also while something else is waited for', async (key) => {
    const { stdin, prompter: asking } = prompter();
    const asked = asking.ask({ text: 'first', parse: (text) => text });
    stdin.write(key);
    await expect(asked).rejects.toThrow(Interrupted);
    await expect(asking.during(new Promise(() => undefined))).rejects.toThrow(Interrupted);
  });
});
