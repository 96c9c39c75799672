import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { LabNode } from '../../../tools/lab/lab-node';
import type { TransportPool } from '../../../src/ssh/transport';
import { WAIT_AT_BARRIER, openBarrier } from '../../support/barrier';
import type { ActivityRunner } from '../support';
import { useLab, ask, inspectInput, remoteNode, targetOf, until } from '../support';
import { tracesOnRpm } from '../../support/traces';
import type { PatchRunner } from './patch-runner';
import { patchRunner } from './patch-runner';
import { publishAdvisories, holdRpmLock, install, installed, offer, fakeOsRelease } from './rpm-lab';
import { describeRpmStates } from './rpm-states';
import { sh } from '../../support/sh';

const CONFIG = '/etc/lab-conf.conf';

jest.setTimeout(300_000);

/** The real zypper of Debian with a real rpm database, on a node that identifies itself as SLES. */
describe('src/node/package-managers/zypper on a real node', () => {
  let pool: TransportPool;
  let activities: ActivityRunner;
  let node: LabNode;
  let preflight: PatchRunner;

  useLab([{ name: 'sles', updates: 'none', rpm: 'zypper' }], async (started) => {
    ({ node, pool, activities } = started);
    preflight = patchRunner(activities, node);
    const PRETTY_NAME = 'SUSE Linux Enterprise Server 15 SP6';
    fakeOsRelease(node, { ID: 'sles', ID_LIKE: 'suse', VERSION_ID: '15.6', PRETTY_NAME });
    await install(node, [
      ...['lab-a', 'lab-b', 'lab-fix', 'lab-slow', 'lab-old', 'lab-post'].map((name) => ({ name, version: '1' })),
      { name: 'lab-conf', version: '1', config: { [CONFIG]: 'shipped 1' } },
      { name: 'kubelet', version: '1.30.1' },
    ]);
    await sh(node, 'mkdir -p /etc/zypp/repos.d');
    const repo = '[lab]\nname=lab\nbaseurl=dir:///srv/repo\ngpgcheck=0\nenabled=1\nautorefresh=1\n';
    writeFileSync(path.join(node.rootDir, 'etc/zypp/repos.d/lab.repo'), repo);
    await offer(
      node,
      { name: 'lab-a', version: '2' },
      { name: 'lab-b', version: '2', header: ['Requires: lab-new'] },
      { name: 'lab-new', version: '1' },
      { name: 'kubelet', version: '1.30.2' },
    );
  });

  describe('where the repositories have no patches', () => {
    it('plans the newest packages, with old versions and dependencies, and keeps Kubernetes packages', async () => {
      const { facts, plan, changes } = await preflight();
      expect(facts).toMatchObject({ packageManager: 'zypper', osVersion: 'SUSE Linux Enterprise Server 15 SP6' });
      expect(changes).toEqual(['lab-a 1-1 2-1', 'lab-b 1-1 2-1', 'lab-new null 1-1']);
      expect(plan.keptBack).toEqual([{ name: 'kubelet', reason: 'kubernetes' }]);
    });

    it('lists what is pending for a plan, and leaves no trace', async () => {
      const before = await tracesOnRpm(node);
      const { plan } = await activities.run('inspectNode', inspectInput(targetOf(node), { changeNothing: true }));
      expect(await tracesOnRpm(node)).toEqual(before);
      expect(plan?.changes.map(({ name }) => name).toSorted()).toEqual(['lab-a', 'lab-b', 'lab-new']);
      expect(plan).not.toHaveProperty('security');
    });

    it('keeps excluded packages, and leaves no lock behind', async () => {
      const { plan, changes } = await preflight({ exclude: ['*-b'] });
      expect(changes).toEqual(['lab-a 1-1 2-1']);
      expect(plan.keptBack).toEqual([
        { name: 'kubelet', reason: 'kubernetes' },
        { name: 'lab-b', reason: 'excluded' },
      ]);
      expect(await ask(node, 'cat /etc/zypp/locks 2>/dev/null')).toBe('');
    });

    it('rejects security-only patching', async () => {
      await expect(preflight({ only: 'security' })).rejects.toMatchObject({
        type: 'Policy',
        message: expect.stringContaining('its repositories carry no advisory metadata'),
      });
    });

    it('changes nothing when the package set differs from the plan', async () => {
      const before = await installed(node);
      const { apply } = await preflight();
      await offer(node, { name: 'lab-a', version: '3' });
      await sh(node, 'zypper -n refresh');
      await expect(apply()).rejects.toMatchObject({ type: 'PlanChanged', nonRetryable: true });
      expect(await installed(node)).toEqual(before);
    });

    it('applies the planned versions even after newer ones were published, and keeps changed configuration files', async () => {
      await sh(node, `echo mine >${CONFIG}`);
      await offer(node, { name: 'lab-conf', version: '2', config: { [CONFIG]: 'shipped 2' } });
      const { apply, plan, changes } = await preflight();
      expect(changes).toContain('lab-a 1-1 3-1');
      await offer(node, { name: 'lab-a', version: '4' });
      const outcomes = await Promise.all([apply(), apply()]);
      for (const outcome of outcomes) {
        expect(outcome).toMatchObject({
          state: 'done',
          result: {
            changes: expect.arrayContaining(plan.changes),
            keptConfigFiles: [`${CONFIG}.rpmnew`],
            error: null,
          },
        });
      }
      expect(await installed(node)).toEqual(expect.arrayContaining(['lab-a 3', 'lab-new 1', 'kubelet 1.30.1']));
      expect(Math.max(...activities.heartbeats.map(({ done }) => done ?? 0))).toBe(plan.changes.length);
      expect(await ask(node, 'grep -c "^[^#].*|install|lab-a|3-1" /var/log/zypp/history')).toBe('1');
    });

    it('waits for a lock held by somebody else, and names the holder', async () => {
      const release = await holdRpmLock(node);
      await until('the lock', async () => (await remoteNode(pool, targetOf(node)).facts()).facts.lockHolder !== null);
      const waiting = preflight();
      await until('the wait', () =>
        Promise.resolve(activities.heartbeats.some(({ waitingFor }) => waitingFor?.includes('held by perl') === true)),
      );
      await release();
      await waiting;
    });

    it('reports a package with a failed script', async () => {
      await offer(node, { name: 'lab-post', version: '2', post: 'exit 7' });
      expect(await (await preflight()).apply()).toMatchObject({
        state: 'done',
        result: {
          changes: expect.arrayContaining([{ name: 'lab-post', arch: 'noarch', from: '1-1', to: '2-1' }]),
          error: {
            type: 'PackageManager',
            message: expect.stringContaining('own scripts failed'),
            details: { rc: 93 },
          },
        },
      });
    });
  });

  it('lists updates hidden by a lock of the node', async () => {
    await offer(node, { name: 'lab-old', version: '2' });
    await sh(node, 'zypper -n addlock lab-old');
    const { plan, changes } = await preflight();
    expect(changes.filter((line) => line.startsWith('lab-old '))).toEqual([]);
    expect(plan.warnings).toEqual([
      expect.objectContaining({
        kind: 'hidden-updates',
        message: '1 update is not offered by zypper (lab-old 2-1): the packages are locked',
      }),
    ]);
    await expect(preflight({ onHidden: 'fail' })).rejects.toMatchObject({
      type: 'Policy',
      message: expect.stringContaining('1 update is not offered by zypper (lab-old 2-1)'),
    });
    await sh(node, 'zypper -n removelock lab-old');
  });

  it('plans and applies the same under any options of an administrator', async () => {
    await sh(
      node,
      `printf '[color]\nuseColors = always\n' >/etc/zypp/zypper.conf; printf '[main]\ncommit.downloadMode = DownloadOnly\n' >/etc/zypp/zypp.conf`,
    );
    const { changes, apply } = await preflight();
    expect(changes).toContain('lab-old 1-1 2-1');
    expect(await apply()).toMatchObject({ state: 'done', result: { error: null } });
    expect(await installed(node)).toContain('lab-old 2');
    await sh(node, 'rm /etc/zypp/zypper.conf /etc/zypp/zypp.conf');
  });

  describe('where the repositories have patches', () => {
    it('applies patches only, and only security patches when configured', async () => {
      await offer(
        node,
        { name: 'lab-fix', version: '2' },
        { name: 'lab-a', version: '5' },
        { name: 'lab-b', version: '5' },
      );
      await publishAdvisories(node, { 'lab-fix-2': 'security', 'lab-a-5': 'bugfix' });
      expect((await preflight()).changes).toEqual(['lab-a 4-1 5-1', 'lab-fix 1-1 2-1']);
      // After transactions of its own, and with patches.
      const before = await tracesOnRpm(node);
      const { plan } = await activities.run('inspectNode', inspectInput(targetOf(node), { changeNothing: true }));
      expect(await tracesOnRpm(node)).toEqual(before);
      expect(plan).toMatchObject({ changes: [{ name: 'lab-a' }, { name: 'lab-fix' }], security: 1 });
      const { apply, changes } = await preflight({ only: 'security' });
      expect(changes).toEqual(['lab-fix 1-1 2-1']);
      expect(await apply()).toMatchObject({ state: 'done', result: { error: null } });
      expect(await installed(node)).toEqual(expect.arrayContaining(['lab-fix 2', 'lab-a 4', 'lab-b 2']));
    });

    it('keeps an excluded package although a patch contains that package', async () => {
      expect((await preflight({ exclude: ['lab-a'] })).changes).toEqual([]);
    });
  });

  it('requires a reboot when zypper has recorded one', async () => {
    await sh(node, 'touch /run/reboot-needed');
    const { facts } = await remoteNode(pool, targetOf(node)).facts();
    expect(facts.reboot).toMatchObject({ required: true, reasons: [expect.stringContaining('needs-rebooting')] });
    expect(await ask(node, 'zypper -n needs-rebooting >/dev/null; echo $?')).toBe('102');
    await sh(node, 'rm /run/reboot-needed');
  });

  it('completes an interrupted transaction after a power cut', async () => {
    await offer(node, { name: 'lab-slow', version: '2', post: `touch /run/lab-slow; ${WAIT_AT_BARRIER}` });
    await publishAdvisories(node, { 'lab-slow-2': 'bugfix' });
    const run = await preflight();
    await remoteNode(pool, targetOf(node)).start(
      { token: run.jobToken, phase: 'apply', number: 1 },
      { expect: run.plan.digest, packages: run.packages, waitSeconds: 0 },
    );
    await until('the slow package', async () => (await ask(node, 'ls /run/lab-slow 2>/dev/null')) !== '');
    await node.powerCut();
    openBarrier(node);
    node.start();
    await node.waitForSsh();
    expect(await run.apply()).toEqual({ state: 'interrupted', how: 'lost-reboot' });
    expect(await run.repair()).toMatchObject({ state: 'done', result: { error: null } });
    expect((await installed(node)).filter((line) => line.startsWith('lab-slow '))).toEqual(['lab-slow 2']);
    expect((await preflight({}, run.jobToken, 2)).changes).toEqual([]);
  });

  describeRpmStates(() => ({
    node,
    pool,
    preflight,
    upgrade: 'zypper -n refresh; zypper -n update',
    severalVersions: { file: '/etc/zypp/zypp.conf', lines: 'multiversion = provides:multiversion(kernel),st-a' },
    staleLock: 'echo 1 >/run/zypp.pid',
  }));
});
