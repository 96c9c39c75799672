/** Requirements for every generation of dnf on a real node. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { LabNodeOptions } from '../../../tools/lab/lab';
import type { LabNode } from '../../../tools/lab/lab-node';
import type { TransportPool } from '../../../src/ssh/transport';
import { WAIT_AT_BARRIER, closeBarrier, openBarrier } from '../../support/barrier';
import type { ActivityRunner } from '../support';
import { useLab, ask, inspectInput, remoteNode, targetOf, until } from '../support';
import { tracesOnRpm } from '../../support/traces';
import type { PatchRunner } from './patch-runner';
import { patchRunner } from './patch-runner';
import { publishAdvisories, holdRpmLock, install, installed, offer, fakeOsRelease, withdraw } from './rpm-lab';
import { describeRpmStates } from './rpm-states';
import { sh } from '../../support/sh';

const CONFIG = '/etc/lab-conf.conf';

jest.setTimeout(300_000);

const slow = { post: `touch /run/lab-slow; ${WAIT_AT_BARRIER}` };

interface Dnf {
  /** Name of the command on the node. */
  command: string;
  node: Omit<LabNodeOptions, 'name' | 'updates'>;
  /** The result of a package with a failed script: success under dnf 4, an error under dnf 5. */
  failedScript: { rc: number; message: RegExp };
}

/** A real dnf of Debian with a real rpm database, on a node that identifies itself as Rocky Linux. */
export function describeDnf(title: string, dnf: Dnf): void {
  describe(title, () => {
    let pool: TransportPool;
    let activities: ActivityRunner;
    let node: LabNode;
    let preflight: PatchRunner;

    useLab([{ name: 'rocky', updates: 'none', ...dnf.node }], async (started) => {
      ({ node, pool, activities } = started);
      preflight = patchRunner(activities, node);
      fakeOsRelease(node, {
        ID: 'rocky',
        ID_LIKE: 'rhel centos fedora',
        VERSION_ID: '9.4',
        PRETTY_NAME: 'Rocky Linux 9.4 (Blue Onyx)',
      });
      const release = ['Provides: system-release = 9.4', 'Provides: system-release(releasever) = 9'];
      await install(node, [
        { name: 'rocky-release', version: '9.4', header: release },
        ...['lab-a', 'lab-b', 'lab-fix', 'lab-slow', 'lab-old', 'lab-post'].map((name) => ({
          name,
          version: '1',
        })),
        { name: 'lab-conf', version: '1', config: { [CONFIG]: 'shipped 1' } },
        { name: 'kubelet', version: '1.30.1' },
      ]);
      const repo = '[lab]\nname=lab\nbaseurl=file:///srv/repo\ngpgcheck=0\nmetadata_expire=1\n';
      await sh(node, 'mkdir -p /etc/yum.repos.d');
      writeFileSync(path.join(node.rootDir, 'etc/yum.repos.d/lab.repo'), repo);
      await offer(
        node,
        { name: 'lab-a', version: '2' },
        { name: 'lab-b', version: '2', header: ['Requires: lab-new'] },
        { name: 'lab-new', version: '1' },
        { name: 'kubelet', version: '1.30.2' },
      );
    });

    const transactions = async () =>
      Number(await ask(node, `${dnf.command} history list 2>/dev/null | grep -c '^ *[0-9]'`));

    describe('facts', () => {
      it('select dnf by the OS, although apt is installed as well', async () => {
        const { facts } = await remoteNode(pool, targetOf(node)).facts();
        const list = "rpm -qa --qf '%{NAME}:%{ARCH}=%{VERSION}-%{RELEASE}\\n' | LC_ALL=C sort";
        expect(facts).toMatchObject({
          packageManager: dnf.command,
          osVersion: 'Rocky Linux 9.4 (Blue Onyx)',
          lockHolder: null,
          reboot: { required: false, reasons: [] },
          packages: {
            count: Number(await ask(node, `${list} | wc -l`)),
            digest: `sha256:${await ask(node, `${list} | sha256sum | cut -c1-16`)}`,
            problems: [],
          },
        });
      });
    });

    describe('plan and apply', () => {
      it('plans the upgrade of dnf, with old versions and dependencies, and keeps Kubernetes packages', async () => {
        const { plan, changes } = await preflight();
        expect(changes).toEqual(['lab-a 1-1 2-1', 'lab-b 1-1 2-1', 'lab-new null 1-1']);
        expect(plan.keptBack).toEqual([{ name: 'kubelet', reason: 'kubernetes' }]);
        expect((await preflight({ includeKubernetes: true })).changes).toContain('kubelet 1.30.1-1 1.30.2-1');
      });

      it('lists what is pending for a plan, and leaves no trace', async () => {
        const before = await tracesOnRpm(node);
        const { plan } = await activities.run('inspectNode', inspectInput(targetOf(node), { changeNothing: true }));
        expect(await tracesOnRpm(node)).toEqual(before);
        expect(plan?.changes.map(({ name }) => name).toSorted()).toEqual(['lab-a', 'lab-b', 'lab-new']);
        expect(plan).not.toHaveProperty('security');
      });

      it('keeps excluded packages', async () => {
        const { plan, changes } = await preflight({ exclude: ['*-b'] });
        expect(changes).toEqual(['lab-a 1-1 2-1']);
        expect(plan.keptBack).toEqual([
          { name: 'kubelet', reason: 'kubernetes' },
          { name: 'lab-b', reason: 'excluded' },
        ]);
      });

      it('rejects security-only patching where the repositories have no advisories', async () => {
        await expect(preflight({ only: 'security' })).rejects.toMatchObject({
          type: 'Policy',
          message: expect.stringContaining('its repositories carry no advisory metadata'),
        });
      });

      it('changes nothing when the package set differs from the plan', async () => {
        const before = await installed(node);
        const { apply } = await preflight();
        await offer(node, { name: 'lab-a', version: '3' });
        await sh(node, `${dnf.command} -q makecache --refresh`);
        await expect(apply()).rejects.toMatchObject({ type: 'PlanChanged', nonRetryable: true });
        expect(await installed(node)).toEqual(before);
      });

      it('runs one transaction for concurrent starts, with the planned versions even after newer ones were published', async () => {
        await sh(node, `echo mine >${CONFIG}`);
        await offer(node, { name: 'lab-conf', version: '2', config: { [CONFIG]: 'shipped 2' } });
        const { apply, plan, changes } = await preflight();
        expect(changes).toContain('lab-a 1-1 3-1');
        await offer(node, { name: 'lab-a', version: '4' });
        const before = await transactions();
        const outcomes = await Promise.all([apply(), apply(), apply()]);
        expect(await transactions()).toBe(before + 1);
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
        expect(await ask(node, `cat ${CONFIG}`)).toBe('mine');
        expect(Math.max(...activities.heartbeats.map(({ done }) => done ?? 0))).toBe(plan.changes.length);
      });

      it('applies exactly the security fixes', async () => {
        await offer(node, { name: 'lab-fix', version: '2' });
        await publishAdvisories(node, { 'lab-fix-2': 'security', 'lab-a-4': 'bugfix' });
        expect((await preflight({ exclude: ['lab-fix', 'lab-a'] })).plan.warnings).toEqual([
          expect.objectContaining({
            kind: 'excluded-security',
            message: '1 package has a security fix that patching.packages.exclude holds back: lab-fix',
          }),
        ]);
        // After transactions of its own dnf has a history.
        const before = await tracesOnRpm(node);
        const { plan } = await activities.run('inspectNode', inspectInput(targetOf(node), { changeNothing: true }));
        expect(await tracesOnRpm(node)).toEqual(before);
        expect(plan).toMatchObject({ security: 1 });
        const { apply, changes } = await preflight({ only: 'security' });
        expect(changes).toEqual(['lab-fix 1-1 2-1']);
        expect(await apply()).toMatchObject({ state: 'done', result: { error: null } });
        expect(await installed(node)).toEqual(expect.arrayContaining(['lab-fix 2', 'lab-a 3']));
        expect((await preflight({ only: 'security' })).changes).toEqual([]);
      });

      it('rejects a replacement by another package, by name, and applies one where removals are allowed', async () => {
        await offer(node, {
          name: 'lab-next',
          version: '1',
          header: ['Obsoletes: lab-old < 2', 'Provides: lab-old = 2'],
        });
        await expect(preflight()).rejects.toMatchObject({
          type: 'Policy',
          message: 'the patch of rocky would remove: lab-old',
        });
        const { apply, changes } = await preflight({ allowRemovals: true });
        expect(changes).toEqual(['lab-a 3-1 4-1', 'lab-next null 1-1', 'lab-old 1-1 null']);
        const outcome = await apply();
        expect(outcome).toMatchObject({
          state: 'done',
          result: {
            error: null,
            changes: expect.arrayContaining([{ name: 'lab-old', arch: 'noarch', from: '1-1', to: null }]),
          },
        });
      });

      it('never leaves the major release, and stays on the minor release where configured', async () => {
        const header = ['Provides: system-release = 9.5', 'Provides: system-release(releasever) = 9'];
        await offer(node, { name: 'rocky-release', version: '9.5', header });
        expect((await preflight()).changes).toEqual(['rocky-release 9.4-1 9.5-1']);
        await expect(preflight({ keepMinor: true })).rejects.toMatchObject({
          type: 'Policy',
          message: 'the patch of rocky would leave release 9.4 with: rocky-release 9.5-1',
        });
        await offer(node, { name: 'rocky-release', version: '10.0', header });
        await expect(preflight()).rejects.toMatchObject({
          message: 'the patch of rocky would leave release 9 with: rocky-release 10.0-1',
        });
        await withdraw(node, 'rocky-release');
      });

      it('reports a package with a failed script, also where dnf reports success', async () => {
        await offer(node, { name: 'lab-post', version: '2', post: 'exit 7' });
        const { apply } = await preflight();
        expect(await apply()).toMatchObject({
          state: 'done',
          result: {
            changes: [{ name: 'lab-post', arch: 'noarch', from: '1-1', to: '2-1' }],
            error: {
              type: 'PackageManager',
              message: expect.stringMatching(dnf.failedScript.message),
              details: { rc: dnf.failedScript.rc },
            },
          },
        });
      });

      it('reports an unreadable repository, and does not use old metadata', async () => {
        await sh(node, 'mv /srv/repo /srv/away');
        await expect(preflight()).rejects.toMatchObject({ type: 'Repository' });
        await sh(node, 'mv /srv/away /srv/repo');
      });
    });

    it('lists updates hidden by the configuration of the node, with their cause, also in security-only mode', async () => {
      await install(
        node,
        ['lab-ex', 'lab-lock', 'lab-low'].map((name) => ({ name, version: '1' })),
      );
      await offer(node, ...['lab-ex', 'lab-lock', 'lab-low'].map((name) => ({ name, version: '2' })));
      await publishAdvisories(node, { 'lab-ex-2': 'security' });
      await sh(
        node,
        `cp /etc/dnf/dnf.conf /root/dnf.conf && printf 'excludepkgs=lab-none,\n  lab-e*\n' >>/etc/dnf/dnf.conf`,
      );
      await sh(node, `${dnf.command} versionlock add lab-lock`);
      const { plan, changes, apply } = await preflight();
      expect(changes.filter((line) => /^lab-(ex|lock)/.test(line))).toEqual([]);
      const excluded = expect.stringMatching(
        /^1 security fix is not offered by dnf \(lab-ex 2-1\): excludepkgs in the configuration of dnf keeps them out$/,
      );
      expect(plan.warnings).toEqual([
        expect.objectContaining({ kind: 'hidden-updates', message: excluded }),
        expect.objectContaining({
          kind: 'hidden-updates',
          message: '1 update is not offered by dnf (lab-lock 2-1): the packages are locked by versionlock',
        }),
      ]);
      expect((await preflight({ only: 'security' })).plan.warnings).toEqual([
        expect.objectContaining({ kind: 'hidden-updates', message: excluded }),
      ]);
      await expect(preflight({ onHidden: 'fail' })).rejects.toMatchObject({
        type: 'Policy',
        message: expect.stringContaining('1 security fix is not offered by dnf (lab-ex 2-1)'),
      });
      expect(await apply()).toMatchObject({ state: 'done', result: { error: null } });
      await sh(
        node,
        `cp /root/dnf.conf /etc/dnf/dnf.conf; ${dnf.command} versionlock clear; rm -f /etc/dnf/versionlock.toml`,
      );
      expect((await preflight()).plan.warnings).toEqual([]);
    });

    it('reports a skipped repository, and a disabled one with updates', async () => {
      await sh(
        node,
        `printf '[gone]\nname=gone\nbaseurl=file:///srv/gone\ngpgcheck=0\nskip_if_unavailable=1\n[lab-security]\nname=x\nbaseurl=file:///srv/x\nenabled=0\n' >/etc/yum.repos.d/more.repo`,
      );
      const { plan } = await preflight();
      expect(plan.warnings).toEqual([
        expect.objectContaining({
          kind: 'stale-lists',
          message: expect.stringMatching(/no current package lists of gone,/),
        }),
        expect.objectContaining({ kind: 'hidden-updates', message: expect.stringContaining('(lab-security)') }),
      ]);
      await sh(node, 'rm /etc/yum.repos.d/more.repo');
    });

    it('plans and applies the same under any options in dnf.conf', async () => {
      await offer(node, { name: 'lab-fix', version: '7' });
      await sh(
        node,
        `cp /etc/dnf/dnf.conf /root/dnf.conf && printf '%s\n' debuglevel=0 errorlevel=0 assumeno=1 defaultyes=1 color=always 'tsflags=test nodocs' >>/etc/dnf/dnf.conf`,
      );
      const { changes, apply } = await preflight();
      expect(changes).toContainEqual(expect.stringMatching(/^lab-fix .* 7-1$/));
      expect(await apply()).toMatchObject({ state: 'done', result: { error: null } });
      expect(await installed(node)).toContain('lab-fix 7');
      await sh(node, 'cp /root/dnf.conf /etc/dnf/dnf.conf');
    });

    it('requires a reboot when a core package is newer than the boot, and names the package', async () => {
      await install(node, [{ name: 'linux-firmware', version: '1' }]);
      await offer(node, { name: 'linux-firmware', version: '2' });
      await (await preflight()).apply();
      const { facts } = await remoteNode(pool, targetOf(node)).facts();
      expect(facts.reboot).toEqual({ required: true, reasons: ['package linux-firmware'] });
    });

    it('waits for a lock held by somebody else, and names the holder', async () => {
      const release = await holdRpmLock(node);
      await until('the lock', async () => (await remoteNode(pool, targetOf(node)).facts()).facts.lockHolder !== null);
      const { facts } = await remoteNode(pool, targetOf(node)).facts();
      expect(facts.lockHolder).toMatch(/^perl \(pid \d+\)$/);
      await offer(node, { name: 'lab-b', version: '3' });
      const waiting = preflight();
      await until('the wait', () =>
        Promise.resolve(activities.heartbeats.some(({ waitingFor }) => waitingFor?.includes('held by perl') === true)),
      );
      await release();
      expect(await (await waiting).apply()).toMatchObject({ state: 'done', result: { error: null } });
    });

    describe('an interrupted transaction', () => {
      async function startSlow(version: string) {
        await sh(node, 'rm -f /run/lab-slow');
        closeBarrier(node);
        await offer(node, { name: 'lab-slow', version, ...slow }, { name: 'lab-a', version: `${version}0` });
        const run = await preflight();
        await remoteNode(pool, targetOf(node)).start(
          { token: run.jobToken, phase: 'apply', number: 1 },
          { expect: run.plan.digest, packages: run.packages, waitSeconds: 0 },
        );
        await until('the slow package', async () => (await ask(node, 'ls /run/lab-slow 2>/dev/null')) !== '');
        return run;
      }

      it('continues after SIGKILL of its wrapper; repair reports its changes, and nothing is left to do', async () => {
        const run = await startSlow('2');
        await sh(node, 'systemctl kill --kill-who=main -s KILL ospatch-job.service');
        openBarrier(node);
        expect(await run.apply()).toEqual({ state: 'interrupted', how: 'lost-killed' });
        expect(await run.repair()).toMatchObject({
          state: 'done',
          result: { error: null, changes: expect.arrayContaining(run.plan.changes) },
        });
        expect((await preflight({}, run.jobToken, 2)).changes).toEqual([]);
      });

      it('leaves packages in two versions after a power cut; repair completes them, and the rest is applied', async () => {
        const run = await startSlow('3');
        await node.powerCut();
        openBarrier(node);
        node.start();
        await node.waitForSsh();
        expect(await run.apply()).toEqual({ state: 'interrupted', how: 'lost-reboot' });
        const { facts } = await remoteNode(pool, targetOf(node)).facts();
        expect(facts.packages.problems).toContain('lab-slow.noarch is installed in several versions');
        expect(await run.repair()).toMatchObject({ state: 'done', result: { error: null } });
        const again = await preflight({}, run.jobToken, 2);
        expect(await again.apply()).toMatchObject({ state: 'done', result: { error: null } });
        expect(await installed(node)).toEqual(expect.arrayContaining(['lab-a 30', 'lab-slow 3']));
        expect((await installed(node)).filter((line) => line.startsWith('lab-slow '))).toEqual(['lab-slow 3']);
        expect((await preflight({}, run.jobToken, 3)).changes).toEqual([]);
      });
    });

    describeRpmStates(() => ({
      node,
      pool,
      preflight,
      upgrade: `${dnf.command} -y upgrade --refresh`,
      severalVersions: { file: '/etc/dnf/dnf.conf', lines: String.raw`installonlypkgs = kernel,\n  st-a` },
      staleLock:
        'mkdir -p /var/cache/dnf; echo 1 >/var/cache/dnf/metadata_lock.pid; echo 1 >/var/lib/dnf/rpmdb_lock.pid',
    }));
  });
}
