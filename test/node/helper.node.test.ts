import type { NodeFacts } from '../../src/domain/node/report';
import type { Lab } from '../../tools/lab/lab';
import { LAB_USER } from '../../tools/lab/lab';
import type { LabNode } from '../../tools/lab/lab-node';
import { slowPackage } from '../../tools/lab/packages';
import { followJob } from '../../src/node/job/follow';
import { helperScript } from '../../src/node/helper/script';
import { ContentionTracker } from '../../src/node/contention';
import { ReachabilityTracker } from '../../src/node/reachability';
import { apt } from '../../src/node/package-managers/apt';
import { RemoteNode } from '../../src/node/remote-node';
import type { Session } from '../../src/node/session';
import type { TransportPool } from '../../src/ssh/transport';
import { closeBarrier, barrierPackage, openBarrier } from '../support/barrier';
import type { ActivityRunner } from './support';
import { useLab, aptTransactions, ask, remoteNode, targetOf, token, transportTo, until } from './support';
import { sh } from '../support/sh';

const CONFIG = '/etc/lab-conf.conf';
const LIMIT_MS = 60_000;

jest.setTimeout(240_000);

const labUpdates = [
  { from: slowPackage('1', 0), to: slowPackage('2', 6) },
  { from: { name: 'kubelet', version: '1.30.1' }, to: { name: 'kubelet', version: '1.30.2' } },
  {
    from: { name: 'lab-conf', version: '1', files: { [CONFIG]: 'shipped 1\n' } },
    to: { name: 'lab-conf', version: '2', files: { [CONFIG]: 'shipped 2\n' } },
  },
];

describe('src/node/helper on real nodes', () => {
  let lab: Lab;
  let pool: TransportPool;
  let activities: ActivityRunner;
  let quiet: LabNode;
  let killed: LabNode;
  let power: LabNode;

  const options = { updates: 'few', labUpdates } as const;
  useLab(
    ['quiet', 'killed', 'power'].map((name) => ({ name, ...options, labUpdates })),
    (started) => {
      ({ lab, pool, activities } = started);
      quiet = lab.node('quiet');
      killed = lab.node('killed');
      power = lab.node('power');
    },
  );

  function preflight(node: LabNode, jobToken: string, attempt = 1) {
    return activities.run('preflight', {
      target: targetOf(node),
      token: jobToken,
      attempt,
      withoutDrain: true,
      unreachableTimeoutMs: LIMIT_MS,
    });
  }

  function session(node: LabNode): Session {
    const signal = new AbortController().signal;
    return {
      node: remoteNode(pool, targetOf(node)),
      signal,
      now: Date.now,
      show: () => undefined,
      others: new ContentionTracker({ now: Date.now }),
      jobs: {},
      reachability: new ReachabilityTracker({
        node: node.name,
        limitMs: LIMIT_MS,
        giveUpAs: 'UnreachableAfterChange',
        signal,
        now: Date.now,
        onWaiting: () => undefined,
      }),
    };
  }

  describe('installation', () => {
    it('does not happen in mode preinstalled, and the error names path and digest', async () => {
      const target = targetOf(quiet, { helper: 'preinstalled' });
      await expect(remoteNode(pool, target).facts()).rejects.toMatchObject({
        type: 'HelperMissing',
        message: expect.stringContaining(helperScript().digest),
        details: { path: helperScript().path },
      });
      expect(await ask(quiet, 'ls /usr/local/libexec 2>/dev/null | wc -l')).toBe('0');
    });

    it('fails with the reason of sudo when the user may not become root', async () => {
      await sh(quiet, 'useradd -m plain && cp -r /root/.ssh /home/plain/ && chown -R plain /home/plain');
      const target = targetOf(quiet, { user: 'plain' });
      await expect(remoteNode(pool, target).facts()).rejects.toMatchObject({
        type: 'SudoDenied',
        message: expect.stringContaining('a password is required'),
      });
    });

    it('happens through sudo on first use, owned by root, and costs no round trip later', async () => {
      const target = targetOf(quiet, { user: LAB_USER });
      const transport = transportTo(pool, target);
      const node = new RemoteNode(target, transport);
      await node.facts();
      expect(transport.commands.length).toBe(3);
      await node.facts();
      expect(transport.commands.length).toBe(4);
      const { path, digest } = helperScript();
      expect(await ask(quiet, `stat -c '%U %a' ${path}; sha256sum ${path} | cut -c1-64`)).toBe(`root 755\n${digest}`);
      expect(await ask(quiet, 'ls -A /usr/local/libexec | wc -l')).toBe('1');
    });

    it('rejects invalid job ids, phases and parameters, and changes nothing', async () => {
      const { path } = helperScript();
      const id = `${token()}-plan-1`;
      const calls = [
        [`${path} start ../../etc/x plan`, 'end', 'bad-job-id'],
        [`${path} start ${id}';id' plan`, 'end', 'bad-job-id'],
        [`${path} start ${id} apply`, 'end', 'bad-phase'],
        [`${path} start ${token()}-boom-1 boom`, 'end', 'bad-phase'],
        [`${path} start ${id} plan`, 'expect=$(id)\nend', 'bad-parameter'],
        [`${path} start ${id} plan`, 'shell=sh\nend', 'bad-parameter'],
        [`${path} start ${id} plan`, 'only=all\nend', 'bad-parameter'],
        [`${path} start ${id} plan`, 'exclude=-y\nend', 'bad-parameter'],
        [`${path} start ${id} plan`, 'exclude=$(id)\nend', 'bad-parameter'],
        [`${path} start ${id} plan`, `${'exclude=a\n'.repeat(101)}end`, 'bad-parameter'],
        [`${path} start ${id} plan`, 'removals=maybe\nend', 'bad-parameter'],
        [`${path} pending`, 'phased=sometimes\nend', 'bad-parameter'],
        [`${path} start ${id} plan`, 'refresh=yes', 'short-upload'],
        [`${path} poll ${id} x 1 1`, '', 'bad-number'],
        [`${path} log ../x 10`, '', 'bad-token'],
        [`${path} reboot '$(id)'`, '', 'bad-boot-id'],
        [`${path} reformat`, '', 'bad-verb'],
      ];
      const transport = transportTo(pool, targetOf(quiet));
      for (const [command = '', stdin = '', why] of calls) {
        const { stdout } = await transport.exec(command, { stdin: `${stdin}\n` });
        expect(`${command}: ${stdout.toString()}`).toBe(`${command}: ospatch 1 state=error why=${why}\n`);
      }
      expect(await ask(quiet, 'ls /var/lib/ospatch/runs 2>/dev/null | wc -l')).toBe('0');
    });
  });

  describe('facts', () => {
    it("match the node's own tools", async () => {
      const { facts } = await remoteNode(pool, targetOf(quiet)).facts();
      expect(facts).toMatchObject({
        protocol: 1,
        os: { id: 'debian', versionId: '12', codename: 'bookworm' },
        osVersion: `Debian GNU/Linux ${await ask(quiet, 'cat /etc/debian_version')}`,
        packageManager: 'apt',
        arch: await ask(quiet, 'uname -m'),
        kernelRunning: await ask(quiet, 'uname -r'),
        kernelNewest: null,
        bootId: await ask(quiet, 'cat /proc/sys/kernel/random/boot_id'),
        container: 'systemd-nspawn',
        reboot: { required: false, reasons: [] },
        lockHolder: null,
        job: null,
        kubernetesAgents: [],
        rebootOwners: [],
        systemState: await ask(quiet, 'systemctl is-system-running'),
      });
      const list = `dpkg-query -W -f='\${Package}:\${Architecture}=\${Version}\\n' | LC_ALL=C sort`;
      expect(facts.packages).toEqual({
        count: Number(await ask(quiet, `${list} | wc -l`)),
        digest: `sha256:${await ask(quiet, `${list} | sha256sum | cut -c1-16`)}`,
        problems: [],
      });
      expect(
        Math.abs(facts.diskFreeMiB.root - Number(await ask(quiet, `df -Pm / | awk 'NR==2 {print $4}'`))),
      ).toBeLessThan(5_000);
    });

    it('name the holder of a package lock, failed units, active Kubernetes agents and the reason for a reboot', async () => {
      await sh(
        quiet,
        `set -e
        printf '[Service]\\nExecStart=/bin/sleep 600\\n' >/etc/systemd/system/kubelet.service
        printf '[Service]\\nType=oneshot\\nExecStart=/bin/false\\n' >/etc/systemd/system/lab-fails.service
        systemctl daemon-reload; systemctl start kubelet; systemctl start lab-fails || true
        touch /run/reboot-required; printf 'libc6\\nlibc6\\n' >/run/reboot-required.pkgs
        setsid perl -e 'open(F,">>","/var/lib/dpkg/lock-frontend"); $l=pack("s s x4 q q i x4",1,0,0,0,0); fcntl(F,6,$l) or die; sleep 600' </dev/null >/dev/null 2>&1 &
        echo $! >/root/lock.pid`,
      );
      await until('the lock', async () => (await remoteNode(pool, targetOf(quiet)).facts()).facts.lockHolder !== null);
      const { facts } = await remoteNode(pool, targetOf(quiet)).facts();
      expect(facts).toMatchObject({
        lockHolder: expect.stringMatching(/^perl \(pid \d+\)$/),
        failedUnits: ['lab-fails.service'],
        systemState: 'degraded',
        kubernetesAgents: ['kubelet'],
        reboot: { required: true, reasons: ['package libc6'] },
      });
    });

    it('fail a preflight of a Kubernetes node without drain, by name', async () => {
      const input = { target: targetOf(quiet), token: token(), attempt: 1, unreachableTimeoutMs: LIMIT_MS };
      await expect(activities.run('preflight', { ...input, withoutDrain: false })).rejects.toMatchObject({
        type: 'Policy',
        nonRetryable: true,
        message: expect.stringContaining('kubelet'),
      });
    });

    it('make a preflight wait while another package manager holds the lock', async () => {
      const waiting = preflight(quiet, token());
      await until('the wait', () =>
        Promise.resolve(
          activities.heartbeats.some(({ waitingFor }) => waitingFor?.startsWith('package lock held by perl')),
        ),
      );
      await sh(quiet, 'kill $(cat /root/lock.pid)');
      await waiting;
      await sh(quiet, 'systemctl stop kubelet && systemctl reset-failed && rm /run/reboot-required*');
    });
  });

  describe('plan and apply', () => {
    it('plans the upgrade of apt and keeps Kubernetes and held packages', async () => {
      await sh(quiet, 'apt-mark hold lab-conf');
      const { plan } = await preflight(quiet, token());
      expect(plan.keptBack).toEqual([
        { name: 'kubelet', reason: 'kubernetes' },
        { name: 'lab-conf', reason: 'held' },
      ]);
      const own = await ask(quiet, `apt-get -s dist-upgrade | awk '$1 == "Inst" && $2 != "kubelet" {print $2}' | sort`);
      expect(plan.changes.map(({ name }) => name).toSorted()).toEqual(own.split('\n'));
      expect(plan.changes).toContainEqual({ name: 'lab-slow', arch: 'all', from: '1', to: '2' });
      await sh(quiet, 'apt-mark unhold lab-conf');
    });

    it('changes nothing when the package set differs from the plan', async () => {
      const before = aptTransactions(quiet).length;
      const jobToken = token();
      const { plan } = await preflight(quiet, jobToken);
      await sh(quiet, 'apt-mark hold lab-conf');
      const input = { target: targetOf(quiet), token: jobToken, attempt: 1, lostTimeoutMs: LIMIT_MS };
      await expect(
        activities.run('apply', { ...input, planDigest: plan.digest, planned: plan.changes.length }),
      ).rejects.toMatchObject({ type: 'PlanChanged', nonRetryable: true });
      expect(aptTransactions(quiet).length).toBe(before);
      await sh(quiet, 'apt-mark unhold lab-conf');
    });

    it('runs one transaction for eight concurrent starts, keeps changed configuration files and reports every change', async () => {
      await sh(quiet, `echo mine >${CONFIG}`);
      const before = aptTransactions(quiet).length;
      const jobToken = token();
      const { plan } = await preflight(quiet, jobToken);
      const input = {
        target: targetOf(quiet),
        token: jobToken,
        attempt: 1,
        planDigest: plan.digest,
        planned: plan.changes.length,
        lostTimeoutMs: LIMIT_MS,
      };
      const outcomes = await Promise.all(Array.from({ length: 8 }, () => activities.run('apply', input)));
      expect(aptTransactions(quiet).length).toBe(before + 1);
      for (const outcome of outcomes) {
        expect(outcome).toEqual({
          state: 'done',
          result: {
            changes: expect.arrayContaining(plan.changes),
            keptConfigFiles: [`${CONFIG}.dpkg-dist`],
            warnings: [],
            error: null,
            logBytes: expect.any(Number),
            endedAgo: expect.any(Number),
          },
        });
      }
      expect(await ask(quiet, `cat ${CONFIG}; dpkg-query -W -f='\${Version}' kubelet`)).toBe('mine\n1.30.1');
      expect(Math.max(...activities.heartbeats.map(({ done }) => done ?? 0))).toBe(plan.changes.length);
    });

    it('finds nothing more to do afterwards, and applies an empty plan at once', async () => {
      const jobToken = token();
      const { plan } = await preflight(quiet, jobToken);
      expect(plan.changes).toEqual([]);
      const input = { target: targetOf(quiet), token: jobToken, attempt: 1, lostTimeoutMs: LIMIT_MS };
      expect(await activities.run('apply', { ...input, planDigest: plan.digest, planned: 0 })).toMatchObject({
        state: 'done',
        result: { changes: [], error: null },
      });
    });

    it('returns the result of a finished job without a second transaction', async () => {
      const history = aptTransactions(quiet).length;
      const jobToken = token();
      const job = { token: jobToken, phase: 'repair', number: 1 } as const;
      const first = await followJob(session(quiet), job, { waitSeconds: 20 });
      const second = await followJob(session(quiet), job, { waitSeconds: 20 });
      expect(first).toMatchObject({ state: 'done', rc: 0 });
      // Time passes between two polls.
      expect(second).toEqual({ ...first, endedAgo: expect.any(Number) });
      expect(aptTransactions(quiet).length).toBe(history);
    });

    it('reports a package that cannot be configured, with the applied changes and the end of the log', async () => {
      await quiet.offer({
        name: 'lab-conf',
        version: '3',
        files: { [CONFIG]: 'shipped 2\n' },
        postinst: 'echo http://me:secret@x; exit 7',
      });
      const jobToken = token();
      const { plan } = await preflight(quiet, jobToken);
      const input = { target: targetOf(quiet), token: jobToken, attempt: 1, lostTimeoutMs: LIMIT_MS };
      const outcome = await activities.run('apply', { ...input, planDigest: plan.digest, planned: 1 });
      expect(outcome).toMatchObject({
        state: 'done',
        result: {
          changes: [{ name: 'lab-conf', arch: 'all', from: '2', to: '3' }],
          error: { type: 'PackagesBroken', details: { rc: 100, tail: expect.stringContaining('http://[redacted]@x') } },
        },
      });
      const { facts } = await remoteNode(pool, targetOf(quiet)).facts();
      expect(facts.packages.problems).toEqual(['lab-conf is not fully installed (iF )']);
      // The failure is part of the activity result, so that nothing retries the apply.
      await expect(preflight(quiet, token())).rejects.toMatchObject({ type: 'PackagesBroken' });
    });

    it('returns the log of the latest node patch, capped, without credentials', async () => {
      const input = { target: targetOf(quiet), token: null, unreachableTimeoutMs: LIMIT_MS };
      const whole = await activities.run('readLog', { ...input, maxBytes: 1_000_000 });
      expect(whole.truncated).toBe(false);
      expect(whole.log).toMatch(/^==> [0-9a-f]{16}-repair-\d+ <==\n/);
      expect(whole.log).not.toContain('secret');
      const end = await activities.run('readLog', { ...input, maxBytes: 50 });
      expect(end.truncated).toBe(true);
      expect(whole.log.endsWith(end.log)).toBe(true);
    });
  });

  describe('an interrupted transaction', () => {
    async function startApply(node: LabNode, jobToken: string, version: string) {
      closeBarrier(node);
      await node.offer(barrierPackage(version));
      const { plan } = await preflight(node, jobToken);
      await remoteNode(pool, targetOf(node)).start(
        { token: jobToken, phase: 'apply', number: 1 },
        { expect: plan.digest, waitSeconds: 0 },
      );
      await until('the slow package', async () => (await ask(node, 'pgrep -f [l]ab-slow.postinst | wc -l')) !== '0');
      return { digest: plan.digest, count: plan.changes.length };
    }

    function applyAgain(node: LabNode, jobToken: string, plan: { digest: string; count: number }, attempt: number) {
      return activities.run('apply', {
        target: targetOf(node),
        token: jobToken,
        attempt,
        planDigest: plan.digest,
        planned: plan.count,
        lostTimeoutMs: LIMIT_MS,
      });
    }

    it('after SIGKILL of its wrapper is awaited, then reported as lost-killed, and repair reports its changes', async () => {
      const jobToken = token();
      const plan = await startApply(killed, jobToken, '3');
      const node = remoteNode(pool, targetOf(killed));
      await sh(killed, 'systemctl kill --kill-who=main -s KILL ospatch-job.service');
      const job = { token: jobToken, phase: 'apply', number: 1 } as const;
      expect((await node.poll(job, 0, 0)).state).toBe('running');
      const other = { token: token(), phase: 'plan', number: 1 } as const;
      expect((await node.start(other, { waitSeconds: 0 })).state).toBe('busy');
      openBarrier(killed);

      expect(await applyAgain(killed, jobToken, plan, 1)).toEqual({ state: 'interrupted', how: 'lost-killed' });
      const repaired = await activities.run('repair', {
        target: targetOf(killed),
        token: jobToken,
        attempt: 1,
        lostTimeoutMs: LIMIT_MS,
      });
      expect(repaired).toMatchObject({
        state: 'done',
        result: {
          error: null,
          changes: expect.arrayContaining([{ name: 'lab-slow', arch: 'all', from: '1', to: '3' }]),
        },
      });
      const again = await preflight(killed, jobToken, 2);
      expect(await applyAgain(killed, jobToken, { digest: again.plan.digest, count: 0 }, 2)).toMatchObject({
        state: 'done',
        result: { error: null },
      });
      expect((await preflight(killed, jobToken, 3)).plan.changes).toEqual([]);
      expect(aptTransactions(killed).filter((line) => line.includes('lab-slow')).length).toBe(1);
    });

    it('after a power cut is reported as lost-reboot; preflight repairs the node, and the rest is applied', async () => {
      const jobToken = token();
      const plan = await startApply(power, jobToken, '3');
      await power.powerCut();
      openBarrier(power);
      const outcome = applyAgain(power, jobToken, plan, 1);
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      power.start();
      expect(await outcome).toEqual({ state: 'interrupted', how: 'lost-reboot' });
      const { facts } = await remoteNode(pool, targetOf(power)).facts();
      expect(facts.packages.problems.length).toBeGreaterThan(0);

      const again = await preflight(power, jobToken, 2);
      expect(again.facts.packages.problems).toEqual([]);
      const rest = { digest: again.plan.digest, count: again.plan.changes.length };
      expect(await applyAgain(power, jobToken, rest, 2)).toMatchObject({ state: 'done', result: { error: null } });
      const end = await remoteNode(pool, targetOf(power)).pending();
      expect(end.state === 'done' && apt.parsePlan(end.result, again.facts.os).plan.changes).toEqual([]);
    });

    it('survives a regular reboot by somebody else: the reboot waits, and the result is read afterwards', async () => {
      const boots = power.bootCount;
      const jobToken = token();
      const plan = await startApply(power, jobToken, '4');
      void power.exec('systemctl reboot');
      const outcome = applyAgain(power, jobToken, plan, 1);
      await until('the shutdown', async () => {
        const { code, stdout } = await power.exec('systemctl is-system-running');
        return code === 255 || stdout === 'stopping\n';
      });
      openBarrier(power);
      expect(await outcome).toMatchObject({
        state: 'done',
        result: { error: null, changes: [{ name: 'lab-slow', arch: 'all', from: '3', to: '4' }] },
      });
      await until('the reboot', () => Promise.resolve(power.bootCount > boots));
      await power.waitForSsh();
      const { facts } = await remoteNode(pool, targetOf(power)).facts();
      expect(facts.packages.problems).toEqual([]);
    });
  });

  describe('reboot', () => {
    it('is a no-op for another boot id', async () => {
      const node = remoteNode(pool, targetOf(killed));
      expect(await node.reboot('00000000-0000-0000-0000-000000000000')).toMatchObject({ state: 'rebooted' });
      expect(killed.bootCount).toBe(1);
    });

    it('happens once for any number of requests, and returns the facts of the settled node', async () => {
      const { facts } = await remoteNode(pool, targetOf(killed)).facts();
      const input = {
        target: targetOf(killed),
        bootId: facts.bootId,
        lostTimeoutMs: LIMIT_MS,
      };
      const reboot = (): Promise<NodeFacts> => activities.run('reboot', input) as Promise<NodeFacts>;
      const [first, second] = await Promise.all([reboot(), reboot()]);
      const third = await reboot();
      expect(killed.bootCount).toBe(2);
      expect(first.bootId).not.toBe(facts.bootId);
      expect([second.bootId, third.bootId]).toEqual([first.bootId, first.bootId]);
      expect(first.systemState).toBe('running');
    });

    it('runs the command of the spec, if only root may write that program', async () => {
      const { facts } = await remoteNode(pool, targetOf(killed)).facts();
      const input = { target: targetOf(killed), bootId: facts.bootId, command: 'own-reboot', lostTimeoutMs: LIMIT_MS };
      const rejection = { type: 'Policy', message: expect.stringContaining('patching.rebootCommand') };
      await expect(activities.run('reboot', input)).rejects.toMatchObject(rejection);
      await sh(
        killed,
        `set -e
        mkdir -p /etc/ospatch/commands
        printf '#!/bin/sh\ntouch /var/own-reboot; exec systemctl reboot\n' >/etc/ospatch/commands/own-reboot
        chmod 0777 /etc/ospatch/commands/own-reboot`,
      );
      await expect(activities.run('reboot', input)).rejects.toMatchObject(rejection);
      await sh(killed, 'chmod 0755 /etc/ospatch/commands/own-reboot');
      expect(await activities.run('reboot', input)).toMatchObject({ systemState: 'running' });
      expect((await killed.exec('ls /var/own-reboot')).code).toBe(0);
    });

    it('returns failed units for the health verdict', async () => {
      await sh(
        killed,
        `set -e
        printf '[Service]\\nType=oneshot\\nExecStart=/bin/false\\n[Install]\\nWantedBy=multi-user.target\\n' >/etc/systemd/system/lab-fails.service
        systemctl enable -q lab-fails`,
      );
      const { facts } = await remoteNode(pool, targetOf(killed)).facts();
      const input = { target: targetOf(killed), bootId: facts.bootId, lostTimeoutMs: LIMIT_MS };
      expect(await activities.run('reboot', input)).toMatchObject({
        systemState: 'degraded',
        failedUnits: ['lab-fails.service'],
      });
    });
  });
});
