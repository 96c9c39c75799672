import type { LabNode } from '../../tools/lab/lab-node';
import type { NodeInspection } from '../../src/domain/inspection/node';
import type { NodeFacts } from '../../src/domain/node/report';
import { FACTS_TIMEOUT_MS } from '../../src/domain/node/time-limits';
import type { TransportPool } from '../../src/ssh/transport';
import { sh } from '../support/sh';
import type { ActivityRunner } from './support';
import { useLab, ask, inspectInput, remoteNode, targetOf, token, until } from './support';

const LIMIT_MS = 60_000;

jest.setTimeout(120_000);

/** The ways in which a maintainer script leaves a process behind; the last one keeps the log of the job open. */
const LEAVES_BEHIND = `[ "$1" = configure ] && [ -n "$2" ] || exit 0
setsid sleep 7001 </dev/null >/dev/null 2>&1 &
nohup sleep 7002 </dev/null >/dev/null 2>&1 &
( sleep 7003 </dev/null >/dev/null 2>&1 & ) &
sleep 7004 &`;

/** Leaves a daemon and a loop in the background, then waits at a barrier, where its job is killed. */
const WAITS_AT_BARRIER = `[ "$1" = configure ] && [ -n "$2" ] || exit 0
setsid sleep 7005 </dev/null >/dev/null 2>&1 &
while [ -e /run/lab-barrier ]; do sleep 0.2; done`;

describe('src/node: jobs on a node with failures', () => {
  let pool: TransportPool;
  let activities: ActivityRunner;
  let node: LabNode;

  useLab(
    [
      {
        name: 'odd',
        updates: 'none',
        labUpdates: [
          {
            from: { name: 'lab-left', version: '1' },
            to: { name: 'lab-left', version: '2', postinst: LEAVES_BEHIND },
          },
        ],
      },
    ],
    (started) => {
      ({ node, pool, activities } = started);
    },
  );

  function preflight(jobToken = token()) {
    return activities.run('preflight', {
      target: targetOf(node),
      token: jobToken,
      attempt: 1,
      withoutDrain: true,
      unreachableTimeoutMs: LIMIT_MS,
    });
  }

  const facts = async (): Promise<NodeFacts> => (await remoteNode(pool, targetOf(node)).facts()).facts;

  function doctor(): Promise<NodeInspection> {
    return activities.run('inspectNode', inspectInput(targetOf(node)));
  }

  const stops = async (): Promise<string[]> =>
    (await doctor()).findings.filter(({ severity }) => severity === 'error').map(({ message }) => message);

  /** A program of this name that precedes the system's own. */
  async function shim<R>(name: string, script: string, during: () => Promise<R>): Promise<R> {
    await sh(node, `printf '%s\\n' '#!/bin/sh' '${script}' >/usr/sbin/${name}; chmod 755 /usr/sbin/${name}`);
    try {
      return await during();
    } finally {
      await sh(node, `rm /usr/sbin/${name}; pkill -f '^sleep 8[0-9][0-9][0-9]$' || true`);
    }
  }

  describe('a job whose maintainer scripts left processes running', () => {
    it('is over: the next job starts at once, and the remaining processes are named and live on', async () => {
      const jobToken = token();
      const { plan } = await preflight(jobToken);
      const input = { target: targetOf(node), token: jobToken, attempt: 1, lostTimeoutMs: LIMIT_MS };
      expect(
        await activities.run('apply', { ...input, planDigest: plan.digest, planned: plan.changes.length }),
      ).toMatchObject({ state: 'done', result: { error: null, changes: [{ name: 'lab-left', to: '2' }] } });

      const seen = await facts();
      expect(seen.job).toBeNull();
      expect(seen.warnings).toMatchObject([
        { kind: 'left-running', message: expect.stringMatching(/: (sleep \(pid \d+\)(, )?){4}/) },
      ]);
      expect((await preflight()).plan.changes).toEqual([]);
      expect((await doctor()).findings.map(({ check, message }) => [check, message])).toContainEqual([
        'job',
        expect.stringContaining('the job that started them has ended'),
      ]);
      expect(await ask(node, "pgrep -cf '^sleep 700[1-4]$'")).toBe('4');
    });

    it('is over also after /run was cleared', async () => {
      await sh(node, 'rm -r /run/ospatch');
      expect((await facts()).job).toBeNull();
      expect((await preflight()).plan.changes).toEqual([]);
    });
  });

  describe('a job that was killed without an exit code', () => {
    let version = 1;

    /** An apply that hangs in a maintainer script. */
    async function startApply() {
      version += 1;
      await sh(node, ': >/run/lab-barrier; rm -rf /run/ospatch/reboot.*');
      await node.offer({ name: 'lab-killed', version: String(version), postinst: WAITS_AT_BARRIER });
      const job = { token: token(), phase: 'apply', number: 1 } as const;
      const { plan } = await preflight(job.token);
      await remoteNode(pool, targetOf(node)).start(job, { expect: plan.digest, waitSeconds: 0 });
      await until('the script of lab-killed', async () => (await ask(node, 'pgrep -cxf "sleep 7005"')) !== '0');
      const again = { target: targetOf(node), token: job.token, attempt: 1, lostTimeoutMs: LIMIT_MS };
      return {
        poll: async () => (await remoteNode(pool, targetOf(node)).poll(job, 0, 0)).state,
        apply: () => activities.run('apply', { ...again, planDigest: plan.digest, planned: plan.changes.length }),
        repair: () => activities.run('repair', again),
      };
    }

    /** All processes in the unit of the job, except those of a script. */
    const killAll = `for id in $(cat /sys/fs/cgroup/system.slice/ospatch-job*.service/cgroup.procs /sys/fs/cgroup/*/system.slice/ospatch-job*.service/cgroup.procs 2>/dev/null | sort -u); do
      grep -qx sleep /proc/$id/comm || kill -KILL $id || true; done`;
    const openBarrier = () => sh(node, 'rm -f /run/lab-barrier');

    beforeAll(async () => {
      await sh(node, 'rm -f /run/lab-barrier');
      await node.offer({ name: 'lab-killed', version: '1' });
      await sh(node, 'apt-get -qq update && apt-get -qqy install lab-killed');
    });

    afterEach(() => sh(node, "rm -f /run/lab-barrier; pkill -xf 'sleep 7005' || true"));

    it('is running while its package manager lives, and over when only a daemon remains', async () => {
      const job = await startApply();
      await sh(node, 'systemctl kill --kill-who=main -s KILL $(cat /run/ospatch/unit)');
      expect(await job.poll()).toBe('running');
      await sh(node, killAll);
      expect(await job.poll()).toBe('lost-killed');

      const seen = await facts();
      expect(seen.job).toBeNull();
      expect(seen.warnings).toMatchObject([
        { kind: 'left-running', message: expect.stringMatching(/sleep \(pid \d+\)/) },
      ]);
      await openBarrier();
      expect(await job.apply()).toEqual({ state: 'interrupted', how: 'lost-killed' });
      expect(await job.repair()).toMatchObject({ state: 'done', result: { error: null } });
      expect(await ask(node, 'pgrep -cxf "sleep 7005"')).not.toBe('0');
      expect((await preflight()).plan.changes).toEqual([]);
    });

    it('waits for the maintainer script of a killed package manager', async () => {
      const job = await startApply();
      await sh(node, 'pkill -KILL ospatch-node; pkill -KILL -x apt-get; pkill -KILL -x dpkg');
      expect(await job.poll()).toBe('running');
      await openBarrier();
      expect(await job.apply()).toEqual({ state: 'interrupted', how: 'lost-killed' });
      expect(await job.repair()).toMatchObject({ state: 'done', result: { error: null } });
    });

    it('reports no end while apt continues without its phase wrapper', async () => {
      const job = await startApply();
      await sh(node, 'kill -KILL $(pgrep -P $(systemctl show -p MainPID --value $(cat /run/ospatch/unit)))');
      expect(await job.poll()).toBe('running');
      await openBarrier();
      expect(await job.apply()).toMatchObject({ state: 'done', result: { error: { type: 'PackageManager' } } });
      expect((await preflight()).plan.changes).toEqual([]);
    });
  });

  describe('a failed start', () => {
    it.each(['/run/ospatch', '/var/lib/ospatch'])('without inodes on %s is reported as such', async (place) => {
      await sh(
        node,
        `set -e; mkdir -p ${place}; mount -t tmpfs -o size=10m,nr_inodes=20,mode=700 lab ${place}
        i=0; while touch ${place}/full-$i 2>/dev/null; do i=$((i + 1)); done`,
      );
      try {
        const sentence = `no job can be started on odd: the file system ${place} has no free inodes, although it has free space`;
        await expect(preflight()).rejects.toMatchObject({ type: 'DiskFull', message: sentence });
        expect(await stops()).toEqual([sentence]);
      } finally {
        await sh(node, `umount ${place}`);
      }
    });

    it('without space, or on a read-only file system, names that file system', async () => {
      await sh(
        node,
        'mkdir -p /run/ospatch; mount -t tmpfs -o size=64k,mode=700 lab /run/ospatch; head -c 1m /dev/zero >/run/ospatch/full || true',
      );
      expect(await stops()).toEqual(['no job can be started on odd: the file system /run/ospatch is full']);
      await sh(node, 'mount -o remount,ro /run/ospatch');
      expect(await stops()).toEqual(['no job can be started on odd: the file system /run/ospatch is read-only']);
      await sh(node, 'umount /run/ospatch');
    });

    it('with a shell that systemd may not execute reports the message of systemd', async () => {
      await sh(
        node,
        `set -e; mkdir -p /etc/systemd/system/service.d
        printf '[Service]\\nNoExecPaths=/usr/bin/dash\\n' >/etc/systemd/system/service.d/lab.conf; systemctl daemon-reload`,
      );
      const sentence = /^no job can be started on odd: systemd could not run it \(ospatch-\S+: .*EXEC.*\)$/;
      await expect(preflight()).rejects.toMatchObject({ type: 'Unhealthy', message: expect.stringMatching(sentence) });
      expect(await stops()).toEqual([expect.stringMatching(sentence)]);
      await sh(node, 'rm /etc/systemd/system/service.d/lab.conf; systemctl daemon-reload');
    });

    it('with a rejection or no answer by systemd is reported as such, and never as another job on the node', async () => {
      await shim('systemd-run', 'echo "Failed to connect to bus: No such file or directory" >&2; exit 1', async () => {
        await expect(preflight()).rejects.toMatchObject({
          message: expect.stringContaining('(Failed to connect to bus: No such file or directory)'),
        });
      });
      await shim(
        'systemctl',
        'case $1 in show) echo "Connection timed out" >&2; exit 1;; esac; exec /usr/bin/systemctl "$@"',
        async () => {
          expect(await stops()).toEqual([]);
          expect((await facts()).job).toBe('unknown');
          const start = remoteNode(pool, targetOf(node)).start(
            { token: token(), phase: 'plan', number: 1 },
            { waitSeconds: 0 },
          );
          await expect(start).rejects.toMatchObject({
            message: 'no job can be started on odd: systemd does not answer',
          });
        },
      );
      expect(await stops()).toEqual([]);
    });
  });

  describe('a slow part of the facts', () => {
    it.each([
      ['needrestart', 'sleep 8001', 'needrestart'],
      ['dpkg-query', 'sleep 8002', 'dpkg-query'],
      ['apt-config', '[ "$1" = dump ] || exec /usr/bin/apt-config "$@"; sleep 8003', ''],
      ['stat', '[ "$1" != -f ] || sleep 8004; exec /usr/bin/stat "$@"', 'file system /'],
    ])('%s is skipped and reported, and leaves no process behind', async (name, script, said) => {
      await shim('systemd-detect-virt', 'echo none; exit 1', () =>
        shim(name, script, async () => {
          const started = Date.now();
          const seen = await facts();
          expect(Date.now() - started).toBeLessThan(FACTS_TIMEOUT_MS);
          const messages = seen.warnings
            .filter(({ kind }) => kind === 'facts-incomplete')
            .map(({ message }) => message);
          expect(messages).toEqual(said === '' ? [] : [expect.stringContaining(`left out: ${said}`)]);
          expect(await ask(node, "pgrep -cf '^sleep 8[0-9][0-9][0-9]$'")).toBe('0');
          // Skipped parts are not counted against the node. The plan runs the same programs.
          if (name === 'needrestart') expect(await stops()).toEqual([]);
        }),
      );
    });
  });

  describe('a reboot', () => {
    const reboot = async (more: object = {}) =>
      activities.run('reboot', {
        target: targetOf(node),
        bootId: (await facts()).bootId,
        lostTimeoutMs: LIMIT_MS,
        ...more,
      });

    it('that is rejected is reported at once with the reason', async () => {
      await sh(node, 'systemctl mask --runtime reboot.target');
      const started = Date.now();
      await expect(reboot()).rejects.toMatchObject({
        type: 'RebootFailed',
        message: expect.stringMatching(
          /^odd was not rebooted: the reboot command exited with code 1: Call to Reboot failed/,
        ),
      });
      expect(Date.now() - started).toBeLessThan(30_000);
      await sh(node, 'systemctl unmask --runtime reboot.target');
    });

    it('waits for no shutdown inhibitor, and is rejected naming the inhibitor, under every release of systemd', async () => {
      await sh(
        node,
        `mkdir -p /run/systemd/inhibit
        printf '%s\\n' WHAT=shutdown MODE=block 'WHO=backup tool' 'WHY=nightly full backup' UID=0 PID=4711 >/run/systemd/inhibit/99`,
      );
      await expect(reboot()).rejects.toMatchObject({
        type: 'RebootFailed',
        message: expect.stringContaining('backup tool (pid 4711) inhibits a shutdown: nightly full backup'),
      });
      await sh(node, 'rm /run/systemd/inhibit/99');
    });

    it.each([
      ['echo maintenance mode is on >&2; exit 3', 'exited with code 3: maintenance mode is on'],
      ['exec /nonexistent/reboot', /exited with code 127: .*not found/],
    ])('by a command that exits at once (%s) is reported with its output', async (script, said) => {
      await sh(
        node,
        `set -e; mkdir -p /etc/ospatch/commands; printf '%s\\n' '#!/bin/sh' '${script}' >/etc/ospatch/commands/own
        chmod 755 /etc/ospatch/commands/own`,
      );
      const message = typeof said === 'string' ? expect.stringContaining(said) : expect.stringMatching(said);
      await expect(reboot({ command: 'own' })).rejects.toMatchObject({ type: 'RebootFailed', message });
    });

    it('happens although processes remain, and counts although needrestart never ends', async () => {
      await shim('systemd-detect-virt', 'echo none; exit 1', () =>
        shim('needrestart', 'sleep 8005', async () => {
          const before = node.bootCount;
          expect(await ask(node, "pgrep -cf '^sleep 700[1-4]$'")).toBe('4');
          const after = (await reboot()) as NodeFacts;
          expect(node.bootCount).toBe(before + 1);
          expect(after.warnings).toMatchObject([{ kind: 'facts-incomplete' }]);
        }),
      );
    });
  });
});
