import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { createReadStream, existsSync, renameSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { LAB_USER } from '../../../tools/lab/lab';
import type { LabNode } from '../../../tools/lab/lab-node';
import { REPOSITORY_DIR } from '../../../tools/lab/packages';
import { helperScript } from '../../../src/node/helper/script';
import { installerScript } from '../../../src/node/installer';
import type { Job } from '../../../src/node/job/id';
import type { SudoersForm } from '../../../src/node/sudoers';
import { SUDOERS_FORMS, sudoersRule } from '../../../src/node/sudoers';
import type { TransportPool } from '../../../src/ssh/transport';
import { AT_BARRIER, closeBarrier, barrierPackage, openBarrier } from '../../support/barrier';
import { sh } from '../../support/sh';
import type { ActivityRunner } from '../support';
import { useLab, ask, inspectInput, remoteNode, targetOf, token, transportTo, until } from '../support';
import type { PatchRunner } from './patch-runner';
import { patchRunner } from './patch-runner';
import { defined } from '../../../src/domain/shared/defined';

jest.setTimeout(180_000);

const LIMIT_MS = 60_000;
const helper = helperScript();
const file = (name: string, text: string): Record<string, string> => ({ [`/usr/share/lab/${name}`]: text });
const lab1 = (name: string, version: string, postinst?: string) => ({
  name,
  version,
  files: file(name, version),
  ...defined({ postinst }),
});

/** A real Alpine: OpenRC, busybox, apk-tools 3, musl. */
describe('src/node on Alpine', () => {
  let pool: TransportPool;
  let node: LabNode;
  let activities: ActivityRunner;
  let preflight: PatchRunner;

  const labUpdates = [
    { from: lab1('kubelet', '1.30.1-r0'), to: lab1('kubelet', '1.30.2-r0') },
    { from: lab1('lab-a', '1.0-r0'), to: lab1('lab-a', '1.1-r0') },
    { from: barrierPackage('1.0-r0'), to: barrierPackage('1.1-r0') },
  ];
  useLab([{ name: 'alpine', system: 'alpine', labUpdates }], (started) => {
    ({ node, pool, activities } = started);
    preflight = patchRunner(activities, node);
    openBarrier(node);
  });

  const remote = () => remoteNode(pool, targetOf(node));
  const poll = async (job: Job) => (await remote().poll(job, 0, 0)).state;
  const installed = (name: string) => ask(node, `apk list --installed ${name} 2>/dev/null | cut -d' ' -f1`);
  const transactions = () => ask(node, "grep -c 'Upgrading lab-slow' /var/log/apk.log");
  const isAtBarrier = () => until('the barrier', async () => (await node.exec(AT_BARRIER)).code === 0);
  const repositoryFile = (name: string) => path.join(node.rootDir, REPOSITORY_DIR, 'x86_64', name);

  it('applies a plan once, however often started, and keeps other jobs out', async () => {
    closeBarrier(node);
    const { facts, plan, changes, jobToken, apply } = await preflight();
    expect(facts).toMatchObject({
      packageManager: 'apk',
      osVersion: 'Alpine Linux 3.23.6',
      systemState: 'running',
      packages: { problems: [] },
      reboot: { required: false },
    });
    expect(changes).toEqual(['lab-a 1.0-r0 1.1-r0', 'lab-slow 1.0-r0 1.1-r0']);
    expect(plan.keptBack).toEqual([{ name: 'kubelet', reason: 'kubernetes' }]);
    // No repository of the lab has Alpine's own packages.
    expect(plan.warnings).toEqual([
      {
        kind: 'hidden-updates',
        message: expect.stringMatching(/^\d+ packages are in no repository of the node, .*: alpine-baselayout, /),
        remedy: expect.stringContaining('/etc/apk/repositories'),
      },
    ]);

    const applies = Promise.all(Array.from({ length: 6 }, apply));
    await isAtBarrier();
    const other = { token: token(), phase: 'apply', number: 1 } as const;
    const answer = await remote().start(other, { expect: plan.digest, waitSeconds: 0 });
    expect(answer).toMatchObject({ state: 'busy', holder: `${jobToken}-apply-1` });
    openBarrier(node);

    for (const outcome of await applies) {
      expect(outcome).toMatchObject({ state: 'done', result: { error: null, changes: [{}, {}] } });
    }
    expect(await transactions()).toBe('1');
    const log = await ask(node, '/usr/local/libexec/ospatch-node-* log last 9999');
    expect(log).toContain(`==> ${jobToken}-apply-1 <==\n(1/2) Upgrading lab-a (1.0-r0 -> 1.1-r0)`);
    expect((await preflight()).changes).toEqual([]);
  });

  it('changes nothing when the package set differs from the plan', async () => {
    await node.offer(lab1('lab-a', '1.2-r0'));
    const { apply } = await preflight();
    await node.offer(lab1('lab-a', '1.3-r0'));
    await sh(node, 'apk -q update');
    await expect(apply()).rejects.toMatchObject({ type: 'PlanChanged' });
    expect(await installed('lab-a')).toBe('lab-a-1.1-r0');
  });

  it('reads pending updates whatever output options an administrator has set for apk', async () => {
    await sh(node, "printf 'quiet\\nprogress yes\\nverbose # all\\nsimulate\\n' >/etc/apk/config");
    const { changes, apply } = await preflight();
    expect(changes).toEqual(['lab-a 1.1-r0 1.3-r0']);
    expect(await apply()).toMatchObject({ state: 'done', result: { error: null, changes: [{ name: 'lab-a' }] } });
    await sh(node, 'rm /etc/apk/config');
    expect(await installed('lab-a')).toBe('lab-a-1.3-r0');
  });

  it('reports updates hidden by a pin, and outdated indexes', async () => {
    await node.offer(lab1('lab-a', '1.4-r0'));
    await sh(node, "sed -i 's/^lab-a$/lab-a=1.3-r0/' /etc/apk/world");
    const { plan, changes } = await preflight();
    expect(changes).toEqual([]);
    expect(plan.keptBack).toContainEqual({ name: 'lab-a', reason: 'pinned' });
    expect(plan.warnings[0]).toEqual({
      kind: 'hidden-updates',
      message: '1 update is hidden by version pins in /etc/apk/world: lab-a 1.4-r0 (lab-a=1.3-r0)',
      remedy: '`apk add lab-a` removes the pin',
    });
    await sh(node, 'apk -q add lab-a && apk -q upgrade');
    expect(await installed('lab-a')).toBe('lab-a-1.4-r0');
    await sh(node, 'touch -d "2026-01-01 00:00" /var/cache/apk/APKINDEX.12345678.tar.gz');
    const { plan: stale } = await activities.run('inspectNode', inspectInput(targetOf(node)));
    expect(stale?.warnings.map(({ kind }) => kind)).toContain('stale-lists');
    await sh(node, 'rm /var/cache/apk/APKINDEX.*');
  });

  it('treats a job as alive until the remaining processes of its killed wrapper end, then continues', async () => {
    await node.offer(barrierPackage('1.2-r0'));
    closeBarrier(node);
    const { jobToken, plan, apply, repair } = await preflight();
    const job = { token: jobToken, phase: 'apply', number: 1 } as const;
    const outcome = apply();
    await isAtBarrier();
    await sh(node, 'kill -9 $(cut -d" " -f2 /var/lib/ospatch/session)');
    await until('the lock', async () => (await ask(node, 'flock -n /var/lib/ospatch/lock echo free')) === 'free');
    expect(await poll(job)).toBe('running');
    const answer = await remote().start({ ...job, number: 2 }, { expect: plan.digest, waitSeconds: 0 });
    expect(answer.state).toBe('busy');
    openBarrier(node);
    expect(await outcome).toMatchObject({ state: 'interrupted' });
    expect(await poll(job)).toBe('lost-killed');
    expect(await repair()).toMatchObject({ result: { error: null, changes: [{ name: 'lab-slow', to: '1.2-r0' }] } });
  });

  it.each([
    ['apk is killed', false, '1.3-r0'],
    ['the power fails', true, '1.4-r0'],
  ])('repeats the transaction after %s in the middle', async (_what, cut, version) => {
    await node.offer(barrierPackage(version));
    closeBarrier(node);
    const { jobToken, apply } = await preflight();
    const outcome = apply();
    await isAtBarrier();
    if (cut) {
      await node.powerCut();
      node.start();
      await node.waitForSsh();
    } else {
      await sh(node, 'kill -9 $(pgrep -x apk)');
    }
    openBarrier(node);
    const first = await outcome;
    if (cut) expect(first).toMatchObject({ state: 'interrupted' });
    else
      expect(first).toMatchObject({ state: 'done', result: { error: { type: 'PackageManager' }, unfinished: true } });
    const again = await preflight({}, jobToken, 2);
    expect(again.facts.packages.problems).toEqual([]);
    expect(await again.apply()).toMatchObject({
      result: { error: null, changes: [{ name: 'lab-slow', to: version }] },
    });
    expect((await preflight()).changes).toEqual([]);
    // No partial write remains in the database or of a package.
    expect(await ask(node, "find / -xdev \\( -name '.apk.*' -o -path '/lib/apk/db/*.new' \\) | grep -v '^/proc'")).toBe(
      '',
    );
  });

  it('waits for the lock of apk and then plans again', async () => {
    await node.offer(lab1('lab-a', '1.5-r0'));
    const { apply } = await preflight();
    await sh(
      node,
      'setsid flock /lib/apk/db/lock sh -c "until [ -e /srv/go ]; do sleep 0.1; done" >/dev/null 2>&1 </dev/null &',
    );
    const outcome = apply();
    await until('the wait', async () =>
      /^ospatch: waiting for \/lib\/apk\/db\/lock, held by flock \(pid \d+\)$/m.test(
        await ask(node, 'cat /var/lib/ospatch/runs/*-apply-1/log'),
      ),
    );
    await node.offer(lab1('lab-a', '1.6-r0'));
    await sh(node, 'touch /srv/go');
    await expect(outcome).rejects.toMatchObject({ type: 'PlanChanged' });
    expect(await installed('lab-a')).toBe('lab-a-1.4-r0');
    expect(await (await preflight()).apply()).toMatchObject({ state: 'done', result: { error: null } });
  });

  describe('a package with a failing script', () => {
    const apkFile = () => repositoryFile('lab-a-1.7-r0.apk');
    const away = () => `${apkFile()}.away`;

    it('is a failure, and stays installed when the repair cannot download the package', async () => {
      await node.offer(lab1('lab-a', '1.7-r0', '[ -e /srv/lab-a-works ] || exit 3'));
      const { apply, repair } = await preflight();
      expect(await apply()).toMatchObject({
        result: { error: { type: 'PackageManager', message: expect.stringContaining('exited with error 3') } },
      });
      renameSync(apkFile(), away());
      const outcome = await repair();
      expect(outcome).toMatchObject({ result: { changes: [], error: { type: 'Repository' } } });
      expect(await installed('lab-a')).toBe('lab-a-1.7-r0');
      renameSync(away(), apkFile());
    });

    it('is not repaired by a repair that fails the same way, and is reported', async () => {
      const { repair } = await patchOnly();
      expect(await repair()).toMatchObject({
        result: { error: { type: expect.stringMatching(/PackagesBroken|PackageManager/) } },
      });
      expect(await installed('lab-a')).toBe('lab-a-1.7-r0');
    });

    it('is repaired once its script works', async () => {
      await sh(node, 'touch /srv/lab-a-works');
      const { repair } = await patchOnly();
      expect(await repair()).toMatchObject({ result: { error: null } });
      expect((await remote().facts()).facts.packages.problems).toEqual([]);
      await sh(node, 'rm /srv/lab-a-works');
    });

    it('is repaired by the upgrade that replaces the package, when its own version has left the repository', async () => {
      await node.offer(lab1('lab-a', '1.7-r1', 'exit 4'));
      expect(await (await preflight()).apply()).toMatchObject({ result: { error: { type: 'PackageManager' } } });
      rmSync(repositoryFile('lab-a-1.7-r1.apk'));
      await node.offer(lab1('lab-a', '1.7-r2'));
      const { changes, apply } = await preflight();
      expect(changes).toEqual(['lab-a 1.7-r1 1.7-r2']);
      expect(await apply()).toMatchObject({ result: { error: null } });
      expect((await remote().facts()).facts.packages.problems).toEqual([]);
    });

    /** The phases without a preflight, which would repair first. */
    async function patchOnly() {
      const input = { target: targetOf(node), token: token(), attempt: 1 };
      return { repair: () => activities.run('repair', { ...input, packageManager: 'apk', lostTimeoutMs: LIMIT_MS }) };
    }
  });

  it('reports a package that has vanished from the mirror as moved', async () => {
    const server = await serve(node);
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    await sh(node, `cp /etc/apk/repositories /srv/repositories && echo 'v3 ${address}' >/etc/apk/repositories`);
    try {
      await node.offer(lab1('lab-a', '1.8-r0'));
      const { apply } = await preflight();
      renameSync(repositoryFile('lab-a-1.8-r0.apk'), repositoryFile('gone'));
      expect(await apply()).toMatchObject({
        result: {
          changes: [],
          error: { type: 'Repository', message: expect.stringContaining('lab-a-1.8-r0: HTTP 404: Not Found') },
        },
      });
      expect(await installed('lab-a')).toBe('lab-a-1.7-r2');
      await node.offer(lab1('lab-a', '1.9-r0'));
      const next = await preflight();
      const job = { token: next.jobToken, phase: 'fetch', number: 1 } as const;
      const fetched = await remote().start(job, { expect: next.plan.digest, waitSeconds: 30 });
      expect(fetched).toMatchObject({ state: 'done', rc: 0 });
      expect(await installed('lab-a')).toBe('lab-a-1.7-r2');
      // The mirror is no longer needed.
      server.close();
      server.closeAllConnections();
      expect(await next.apply()).toMatchObject({ result: { error: null, changes: [{ to: '1.9-r0' }] } });
      expect(await ask(node, 'ls /var/cache/apk/*.apk')).toBe('');
    } finally {
      await sh(node, 'cp /srv/repositories /etc/apk/repositories');
      server.close();
    }
  });

  describe('with least privilege', () => {
    const narrow = () => targetOf(node, { user: LAB_USER, helper: 'preinstalled' });
    const asRoot = async (command: string, stdin: string) => {
      const { code, stderr } = await transportTo(pool, targetOf(node)).exec(command, { stdin });
      expect({ code, stderr: stderr.toString() }).toMatchObject({ code: 0 });
    };

    beforeAll(async () => {
      await sh(node, 'rm -f /etc/sudoers.d/* /usr/local/libexec/*; mkdir -p /etc/doas.d');
      await asRoot('sh', installerScript(helper));
    });

    async function useRule(form: SudoersForm): Promise<void> {
      const { text, file: place, mode } = sudoersRule(helper, LAB_USER, form);
      if (form === 'doas') {
        // Debian's doas, which the lab uses, reads one file.
        await asRoot(`mv /usr/bin/sudo /srv/sudo; cat >/etc/doas.conf && chmod ${mode} /etc/doas.conf`, text);
      } else await asRoot(`cat >/srv/rule && visudo -cqf /srv/rule && install -m ${mode} /srv/rule ${place}`, text);
    }

    it.each(SUDOERS_FORMS.filter((form) => form !== 'sudo-rs'))(
      'completes a run with the rule of the form %s',
      async (form) => {
        await useRule(form);
        try {
          const common = { target: narrow(), token: token(), attempt: 1 };
          const asked = { ...common, withoutDrain: true, unreachableTimeoutMs: LIMIT_MS };
          await node.offer(lab1('lab-a', `2.${SUDOERS_FORMS.indexOf(form)}-r0`));
          const { plan } = await activities.run('preflight', asked);
          const phase = { ...common, packageManager: 'apk', lostTimeoutMs: LIMIT_MS };
          const planned = { planDigest: plan.digest, planned: plan.changes.length };
          expect(await activities.run('apply', { ...phase, ...planned })).toMatchObject({
            state: 'done',
            result: { error: null, changes: [{ name: 'lab-a' }] },
          });
          expect(await activities.run('repair', phase)).toMatchObject({ state: 'done', result: { error: null } });
          expect(await remoteNode(pool, narrow()).reboot('00000000-0000-0000-0000-000000000000')).toMatchObject({
            state: 'rebooted',
          });
          await remoteNode(pool, narrow()).checkRights();
          const tool = form === 'doas' ? 'doas' : 'sudo';
          for (const command of ['id', `${helper.path} _run x`, `sh ${helper.path} facts`]) {
            if (form === 'doas' && command.startsWith(helper.path)) continue;
            expect((await node.exec(`${tool} -n ${command}`, LAB_USER)).code).toBe(1);
          }
        } finally {
          await sh(
            node,
            'rm -f /etc/sudoers.d/ospatch-* /etc/doas.conf; [ ! -e /srv/sudo ] || mv /srv/sudo /usr/bin/sudo',
          );
        }
      },
    );

    it('reports missing permissions in the terms of the installed tool', async () => {
      await expect(remoteNode(pool, narrow()).facts()).rejects.toMatchObject({
        type: 'SudoDenied',
        message: expect.stringContaining('sudo refuses to run the helper on alpine'),
      });
      await sh(node, 'mv /usr/bin/sudo /srv/sudo');
      await expect(remoteNode(pool, narrow()).facts()).rejects.toMatchObject({
        type: 'SudoDenied',
        message: expect.stringContaining('doas'),
        remedy: expect.stringContaining('doas'),
      });
      await sh(node, 'mv /usr/bin/doas /srv/doas');
      await expect(remoteNode(pool, narrow()).facts()).rejects.toMatchObject({
        message: `there is neither sudo nor doas on alpine, and ${LAB_USER} is not root`,
      });
      await sh(node, 'mv /srv/sudo /usr/bin/sudo; mv /srv/doas /usr/bin/doas');
    });

    it('recognises a rule that allows inspection and not patching', async () => {
      const rule = `${LAB_USER} ALL=(root) NOPASSWD: ${helper.path} facts, ${helper.path} pending`;
      await asRoot('cat >/etc/sudoers.d/ospatch-x; chmod 0440 /etc/sudoers.d/ospatch-x', `${rule}\n`);
      const limited = remoteNode(pool, narrow());
      await limited.facts();
      const expected = {
        type: 'SudoDenied',
        message: expect.stringContaining(`sudo on alpine lets ${LAB_USER} run the helper, but not with \`start\``),
        remedy: expect.stringContaining('replace the rule'),
      };
      await expect(limited.checkRights()).rejects.toMatchObject(expected);
      const job = { token: token(), phase: 'plan', number: 1 } as const;
      await expect(limited.start(job, { waitSeconds: 1 })).rejects.toMatchObject(expected);
      await sh(node, 'rm /etc/sudoers.d/ospatch-x');
    });
  });

  it('reboots once, only with the right boot id, and restarts all OpenRC services', async () => {
    const bootId = await ask(node, 'cat /proc/sys/kernel/random/boot_id');
    const boots = node.bootCount;
    expect(await remote().reboot('00000000-0000-0000-0000-000000000000')).toMatchObject({ state: 'rebooted' });
    expect(await remote().reboot(bootId)).toMatchObject({ state: 'rebooting' });
    await until('the reboot', async () => node.bootCount > boots);
    await node.waitForSsh();
    const { facts } = await remote().facts();
    expect(facts.bootId).not.toBe(bootId);
    expect(facts).toMatchObject({ systemState: 'running', failedUnits: [], job: null });
    expect(node.bootCount).toBe(boots + 1);
  });
});

/** Serves the node's repository over HTTP, for apk's messages about a server. */
function serve(node: LabNode): Promise<Server> {
  const root = path.join(node.rootDir, REPOSITORY_DIR);
  const server = createServer((request, response) => {
    const name = path.join(root, path.normalize(new URL(request.url ?? '/', 'http://x').pathname));
    if (existsSync(name)) createReadStream(name).pipe(response);
    else response.writeHead(404).end();
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}
