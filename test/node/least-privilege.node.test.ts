/** The permissions of a login with the narrow sudo rule, and what nobody can make ospatch run. */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import type { Lab } from '../../tools/lab/lab';
import { LAB_USER } from '../../tools/lab/lab';
import type { LabNode } from '../../tools/lab/lab-node';
import { slowPackage } from '../../tools/lab/packages';
import type { NodeTarget } from '../../src/domain/spec/types';
import { helperScript } from '../../src/node/helper/script';
import type { HelperScript } from '../../src/node/helper/script';
import { installerScript } from '../../src/node/installer';
import { pruneHelpers } from '../../src/node/prune';
import { RemoteNode } from '../../src/node/remote-node';
import { sudoersRule } from '../../src/node/sudoers';
import type { SudoersForm } from '../../src/node/sudoers';
import type { TransportPool } from '../../src/ssh/transport';
import { runOffline } from '../cli/offline-context';
import { barrierPackage, openBarrier } from '../support/barrier';
import {
  useLab,
  activityRunner,
  aptTransactions,
  ask,
  remoteNode,
  targetOf,
  token,
  transportTo,
  inspectInput,
} from './support';
import { sh } from '../support/sh';
import { defined } from '../../src/domain/shared/defined';

const LIMIT_MS = 60_000;
const { path, digest } = helperScript();

jest.setTimeout(240_000);

describe('src/node with least privilege', () => {
  let lab: Lab;
  let pool: TransportPool;
  let node: LabNode;
  let narrow: NodeTarget;

  const labUpdates = [{ from: slowPackage('1', 0), to: slowPackage('2', 8) }];
  useLab([{ name: 'trust', updates: 'few', labUpdates }], async (started) => {
    ({ lab, node, pool } = started);
    narrow = targetOf(node, { user: LAB_USER, helper: 'preinstalled' });
    // Jobs run through sh, so the state of ospatch may be on a file system without execute permission.
    const state = '/var/lib/ospatch';
    await sh(node, `mkdir -m 700 ${state} && mount --bind ${state} ${state} && mount -o remount,bind,noexec ${state}`);
    await sh(node, 'rm /etc/sudoers.d/ospatch');
    await asRoot('sh', installerScript(helperScript()));
  });

  /** With standard input, which `LabNode.exec` does not support. */
  async function asRoot(command: string, stdin: string): Promise<string> {
    const { code, stdout, stderr } = await transportTo(pool, targetOf(node)).exec(command, { stdin });
    if (code !== 0) throw new Error(`${command} failed: ${stderr.toString()}`);
    return stdout.toString();
  }

  function useRule(form: SudoersForm, helper: HelperScript = helperScript()): Promise<string> {
    const { text, file } = sudoersRule(helper, LAB_USER, form);
    return asRoot(`cat >/etc/rule && visudo -cf /etc/rule && install -m 0440 /etc/rule ${file}`, text);
  }

  function dropRule(): Promise<unknown> {
    return sh(node, 'rm -f /etc/sudoers.d/ospatch-*');
  }

  it("is installed by an administrator's installer, owned by root", async () => {
    expect(await ask(node, `stat -c '%U:%G %a' ${path}; sha256sum ${path} | cut -c1-64`)).toBe(
      `root:root 755\n${digest}`,
    );
    expect(await ask(node, 'ls -A /usr/local/libexec | wc -l')).toBe('1');
  });

  describe.each(['regex', 'wildcard'] as const)('with the rule of the form %s', (form) => {
    const job = `${'0123456789abcdef'}-plan-1`;

    beforeAll(() => useRule(form));
    afterAll(dropRule);

    it('every step of a run works', async () => {
      const activities = activityRunner(pool);
      const jobToken = token();
      const common = { target: narrow, token: jobToken, attempt: 1 };
      const preflight = { ...common, withoutDrain: true, unreachableTimeoutMs: LIMIT_MS };
      const { plan } = await activities.run('preflight', preflight);
      if (form === 'regex') {
        expect(plan.changes.length).toBeGreaterThan(0);
        const input = { ...common, lostTimeoutMs: LIMIT_MS, planDigest: plan.digest, planned: plan.changes.length };
        expect(await activities.run('apply', input)).toMatchObject({ state: 'done', result: { error: null } });
      }
      expect(await activities.run('repair', { ...common, lostTimeoutMs: LIMIT_MS })).toMatchObject({ state: 'done' });
      expect(
        await activities.run('readLog', { ...common, maxBytes: 10_000, unreachableTimeoutMs: LIMIT_MS }),
      ).toMatchObject({ log: expect.stringContaining('==>') });
      expect(await activities.run('inspectNode', inspectInput(narrow))).toMatchObject({ error: null });
      expect(await remoteNode(pool, narrow).reboot('00000000-0000-0000-0000-000000000000')).toMatchObject({
        state: 'rebooted',
      });
      await remoteNode(pool, narrow).checkRights();
    });

    it.each([
      ['another command', 'id'],
      ['a shell', 'sh -c id'],
      ['the helper through a shell', `sh ${path} facts`],
      ['the helper without a verb', path],
      ['the verb of the wrapper', `${path} _run ${job}`],
      ['the verb of the hook', `${path} _verify`],
      ['an unknown verb', `${path} reformat`],
      ['a path for a job', `${path} start ../../etc/x plan`],
      ['a path for a token', `${path} log ../../etc 10`],
      ['a phase that does not exist', `${path} start 0123456789abcdef-hook-1 hook`],
      ['more arguments', `${path} facts --now`],
      ['a boot id that is none', `${path} reboot '$(id)'`],
      ['another user than root', `-u nobody ${path} facts`],
      ['a variable of the dynamic linker', `LD_PRELOAD=/tmp/evil.so ${path} facts`],
      ['a variable of the shell', `BASH_ENV=/tmp/evil ${path} facts`],
      ['the whole environment', `-E ENV=/tmp/evil ${path} facts`],
      ['a directory of its own', `-D /tmp ${path} facts`],
      ['an editor', `-e ${path}`],
      ['a shell of root', '-s'],
      ['a login shell', '-i'],
    ])('sudo rejects %s', async (_what, command) => {
      const { code, stdout, stderr } = await node.exec(`sudo -n ${command} </dev/null`, LAB_USER);
      expect(stderr).toMatch(/a password is required|not allowed|you are not permitted/);
      expect(stdout).toBe('');
      expect(code).toBe(1);
    });

    it('a copy, a link to another program and a modified copy elsewhere are rejected', async () => {
      const name = path.split('/').at(-1) ?? '';
      const { stdout, stderr } = await node.exec(
        `mkdir -p ~/a ~/b ~/c; cp ${path} ~/a/${name}; ln -sf /usr/bin/id ~/b/${name}; printf '#!/bin/sh\\nid\\n' >~/c/${name}
         chmod +x ~/c/${name}; for dir in a b c; do sudo -n ~/$dir/${name} facts; done
         cd /usr/local/libexec && PATH=$HOME/c:$PATH sudo -n ${name} facts`,
        LAB_USER,
      );
      expect(stdout).toBe('');
      expect(stderr.match(/a password is required|not allowed/g)?.length).toBe(4);
    });

    it("the caller's environment does not reach the helper", async () => {
      const { stdout } = await node.exec(
        `printf 'touch /root/canary\\n' >/tmp/evil; mkdir -p ~/bin; printf '#!/bin/sh\\ntouch /root/canary\\n' >~/bin/uname
         chmod +x ~/bin/uname; env ENV=/tmp/evil BASH_ENV=/tmp/evil PATH=$HOME/bin:$PATH PS4='$(touch /root/canary)' \\
         SHELLOPTS=xtrace IFS=/ /usr/bin/sudo -n ${path} facts`,
        LAB_USER,
      );
      expect(stdout).toMatch(/^ospatch 1 facts\n[\s\S]*\nend\n$/);
      expect(await ask(node, 'ls /root/canary 2>&1')).toContain('No such file');
    });

    it('a modified helper at the right path is rejected by sudo, and the worker does not call it', async () => {
      await sh(node, `cp -p ${path} /root/kept && printf 'touch /root/canary\\n' >>${path}`);
      const direct = await node.exec(`sudo -n ${path} facts`, LAB_USER);
      expect(direct.stderr).toMatch(/a password is required|not allowed/);
      await expect(remoteNode(pool, narrow).facts()).rejects.toMatchObject({
        type: 'HelperMissing',
        message: expect.stringMatching(
          `^the helper on trust does not belong to this version of ospatch and was not run: ${path} has sha256 `,
        ),
        remedy: expect.stringContaining('ospatch helper install'),
      });
      await sh(node, `mv /root/kept ${path}`);
      expect(await ask(node, 'ls /root/canary 2>&1')).toContain('No such file');
      expect((await remoteNode(pool, narrow).facts()).facts.os.id).toBe('debian');
    });
  });

  describe('permission problems are reported in one sentence', () => {
    it.each([
      ['no rule at all', ':', ':', 'SudoDenied', /a password is required/, /ospatch sudoers --user ospatch/],
      [
        'a rule for another command',
        "echo 'ospatch ALL=(root) NOPASSWD: /bin/true' >/etc/sudoers.d/ospatch-x",
        ':',
        'SudoDenied',
        /a password is required|not allowed to execute/,
        /ospatch sudoers --user ospatch/,
      ],
      [
        'requiretty',
        "printf 'Defaults requiretty\\nospatch ALL=(root) NOPASSWD: ALL\\n' >/etc/sudoers.d/ospatch-x",
        ':',
        'SudoDenied',
        /must have a tty/,
        /Defaults:ospatch !requiretty/,
      ],
      [
        'a sudoers file that cannot be read',
        "echo 'ospatch ALL=(root' >/etc/sudoers.d/ospatch-x",
        ':',
        'SudoDenied',
        /syntax error|a password is required/,
        /visudo -c|ospatch sudoers/,
      ],
      [
        'no sudo on the node',
        'mv /usr/bin/sudo /usr/bin/sudo.away',
        'mv /usr/bin/sudo.away /usr/bin/sudo',
        'SudoDenied',
        /^there is neither sudo nor doas on trust, and ospatch is not root$/,
        /install sudo or doas on trust/,
      ],
      [
        'a login shell that refuses',
        'usermod -s /usr/sbin/nologin ospatch',
        'usermod -s /bin/bash ospatch',
        'AuthFailed',
        /^trust lets ospatch log in, but runs no commands for it: its login shell is nologin$/,
        /usermod -s/,
      ],
      [
        'an expired account',
        'chage -E 0 ospatch',
        'chage -E -1 ospatch',
        expect.stringMatching(/AuthFailed|Unreachable/),
        /trust/,
        undefined,
      ],
    ])('%s', async (_what, prepare, repair, type, message, remedy) => {
      await sh(node, prepare);
      pool.transport(narrowSsh()).close();
      try {
        await expect(remoteNode(pool, narrow).facts()).rejects.toMatchObject({
          type,
          message: expect.stringMatching(message),
          ...defined({ remedy: remedy === undefined ? undefined : expect.stringMatching(remedy) }),
        });
      } finally {
        await sh(node, repair);
        await dropRule();
      }
    });
  });

  it.each([
    ['lacks a call', '', 'its rule does not match'],
    ['asks for a password', `ospatch ALL=(root) ${path}\n`, 'a password is required'],
  ])('a rule that %s is found by a check of the node, before any run', async (_what, more, why) => {
    await asRoot('cat >/etc/sudoers.d/ospatch-x', `${more}ospatch ALL=(root) NOPASSWD: ${path} facts\n`);
    const { findings } = await activityRunner(pool).run('inspectNode', inspectInput(narrow));
    await dropRule();
    expect(findings).toContainEqual(
      expect.objectContaining({
        check: 'sudo',
        message: `sudo on trust lets ospatch run the helper, but not with \`start\`: ${why}`,
      }),
    );
  });

  it('a modified helper is never run by a root login either, but replaced with a warning', async () => {
    await sh(node, `printf 'touch /root/canary\\n' >>${path}`);
    const asItIs = targetOf(node, { helper: 'preinstalled' });
    await expect(remoteNode(pool, asItIs).facts()).rejects.toMatchObject({ type: 'HelperMissing' });
    const notices: string[] = [];
    const target = targetOf(node);
    const remote = new RemoteNode(target, transportTo(pool, target), undefined, {
      onNotice: (text) => notices.push(text),
    });
    await remote.facts();
    expect(notices).toEqual([expect.stringContaining('modified by someone')]);
    expect(await ask(node, `sha256sum ${path} | cut -c1-64`)).toBe(digest);
    expect(await ask(node, 'ls /root/canary 2>&1')).toContain('No such file');
  });

  it("is installed by `ospatch helper install` with the user's own key, on known machines only", async () => {
    await sh(node, `rm ${path}`);
    const knownHosts = `${lab.dir}/known_hosts.install`;
    writeFileSync(knownHosts, lab.knownHosts);
    const key = `${lab.keyDir}/${lab.keyName}`;
    const where = ['--host', node.host, '--port', String(node.port), '--known-hosts', knownHosts];
    const install = ['helper', 'install', ...where, '--identity', key];
    expect(await runOffline([...install, '--user', 'root'])).toMatchObject({
      code: 0,
      stdout: `${node.host}: installed ${path}\n`,
    });
    expect(await ask(node, `sha256sum ${path} | cut -c1-64`)).toBe(digest);
    expect(await runOffline([...install, '--user', LAB_USER])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /sudo refuses to place the helper on .*: a password is required\.\n {2}fix: .*preinstalled/,
      ),
    });
    writeFileSync(knownHosts, '');
    expect(await runOffline([...install, '--user', 'root'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('has no host key of'),
    });
  });

  it('helpers of two versions coexist and never run two transactions at once', async () => {
    await node.offer(barrierPackage('3'));
    const content = Buffer.from(helperScript().content.toString().replace('Root only', 'For root only'));
    const other = createHash('sha256').update(content).digest('hex');
    const next = { content, digest: other, path: `${path.slice(0, -12)}${other.slice(0, 12)}` };
    const target = targetOf(node);
    const ours = remoteNode(pool, target);
    const theirs = new RemoteNode(target, transportTo(pool, target), undefined, { helper: next });
    const before = aptTransactions(node).length;
    const plan = { token: token(), phase: 'plan', number: 1 } as const;
    const planned = await ours.start(plan, { refresh: true, waitSeconds: 60 });
    expect(planned).toMatchObject({ state: 'done', rc: 0, result: expect.stringContaining('Inst lab-slow') });
    const expectDigest = /^digest ([0-9a-f]{64})$/m.exec(planned.state === 'done' ? planned.result : '')?.[1] ?? '';
    const apply = { token: plan.token, phase: 'apply', number: 1 } as const;
    expect(await ours.start(apply, { expect: expectDigest, waitSeconds: 0 })).toMatchObject({ state: 'running' });
    const holder = `${plan.token}-apply-1`;
    expect(await theirs.start({ ...apply, token: token() }, { expect: expectDigest, waitSeconds: 0 })).toMatchObject({
      state: 'busy',
      holder,
    });
    expect((await theirs.facts()).facts.job).toBe(holder);
    const prune = (isDryRun: boolean) => pruneHelpers(target, transportTo(pool, target), next, isDryRun);
    await expect(prune(false)).rejects.toMatchObject({ type: 'Busy' });
    openBarrier(node);
    expect(await theirs.poll(apply, 0, 60)).toMatchObject({ state: 'done', rc: 0 });
    expect(aptTransactions(node).length).toBe(before + 1);
    expect((await ours.facts()).facts.job).toBeNull();
    const list = () => ask(node, `ls ${path.replace(/-[^-]*$/, '')}-* /var/lib/ospatch/bin/*`);
    const files = await list();
    const pruned = { removed: [path, `/var/lib/ospatch/bin/ospatch-node-${digest}`], kept: [] };
    expect(await prune(true)).toEqual(pruned);
    expect(await list()).toBe(files);
    expect(await prune(false)).toEqual(pruned);
    expect(await list()).toBe(next.path);
    await expect(pruneHelpers(target, transportTo(pool, target), helperScript(), false)).rejects.toMatchObject({
      message: expect.stringMatching(/^trust has no helper of this version .* nothing was removed$/),
    });
    // The one that is needed again is newer than the other.
    await ours.facts();
    expect(await prune(false)).toEqual({ removed: [], kept: [{ path, reason: 'newer' }] });
  });

  function narrowSsh(): Parameters<TransportPool['transport']>[0] {
    const { name, host, ssh, hostKeys } = narrow;
    const { port, user, identity } = ssh;
    return { name, host, port, user, identity, hostKeys };
  }
});
