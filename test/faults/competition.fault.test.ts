/** Others work on the same node: somebody's apt, or another run. */
import { findRun } from '../support/find-run';
import { nodeRecord } from '../support/node-record';
import '../support/slow-suite';
import { waitFor } from '../support/wait-for';
import { fault } from './fault';
import { jobHas } from './node-view';
import { sh } from '../support/sh';
import { SMALL_NODE, pendingUpdate, waitingFor, write } from './node-tools';
import type { Scenario } from './scenario';

const small = { node: SMALL_NODE } as const;

/** Holds dpkg's lock under the name of its most frequent holder. */
const HOLD_LOCK = String.raw`
$0 = "unattended-upgr";
open(my $lock, ">>", "/var/lib/dpkg/lock-frontend") or die;
my $write_lock = pack("s s x4 q q i x4", 1, 0, 0, 0, 0);
fcntl($lock, 6, $write_lock) or die "lock: $!";
open(my $held, ">", "/run/lab-held"); sleep 600;
`;

async function holdLock(scenario: Scenario): Promise<() => Promise<void>> {
  write(scenario.node, 'root/lab-holder.pl', HOLD_LOCK);
  await sh(scenario.node, 'systemd-run -q --collect --unit=lab-holder perl /root/lab-holder.pl');
  await waitFor(async () => (await scenario.node.exec('test -e /run/lab-held')).code === 0, { what: 'the lock' });
  return async () => {
    await sh(scenario.node, 'systemctl stop lab-holder');
  };
}

async function untilWaitingForLock(scenario: Scenario): Promise<void> {
  await waitFor(
    async () => /^package lock held by unattended-upgr \(pid \d+\)$/.test((await waitingFor(scenario)) ?? ''),
    {
      what: 'the holder of the lock in status',
      timeoutMs: 120_000,
    },
  );
}

describe('faults/competition', () => {
  fault(
    'competition',
    'unattended-upgrades holds the package lock',
    { ...small, quick: true },
    async (scenario, check) => {
      const letGo = await holdLock(scenario);
      await scenario.patch();
      await untilWaitingForLock(scenario);
      await letGo();
      scenario.moment = 'before refresh';
      await check({ state: 'patched', transactions: 1, reboots: 0 });
    },
  );

  fault(
    'competition',
    'unattended-upgrades takes the package lock after the plan',
    { ...small, slowRefreshSeconds: 6 },
    async (scenario, check) => {
      await scenario.patch();
      await scenario.reach('during refresh');
      const letGo = await holdLock(scenario);
      await waitFor(() => jobHas(scenario.node, 'apply', 'started'), { what: 'apply', timeoutMs: 120_000 });
      await untilWaitingForLock(scenario);
      await letGo();
      await check({ state: 'patched', transactions: 1, reboots: 0 });
    },
  );

  fault(
    'competition',
    'somebody installs one of the planned packages by hand',
    { ...small, slowRefreshSeconds: 6 },
    async (scenario, check) => {
      await pendingUpdate(scenario.node, 'lab-slow', { postinst: 'sleep 8' });
      await sh(scenario.node, 'apt-get -qq update');
      await scenario.patch();
      await scenario.reach('during refresh');
      await sh(scenario.node, 'apt-get -qq -y install lab-slow >/dev/null');
      await check({ state: 'patched', transactions: 2, reboots: 0 });
    },
  );

  fault('competition', 'somebody starts apt by hand during apply', small, async (scenario, check) => {
    await pendingUpdate(scenario.node, 'lab-slow', { postinst: 'sleep 8' });
    await scenario.patch();
    await scenario.reach('during apply');
    const byHand = await scenario.node.exec('apt-get -q -y -o DPkg::Lock::Timeout=0 dist-upgrade');
    expect(byHand.stderr).toContain('Could not get lock');
    await check({ state: 'patched', transactions: 1, reboots: 0 });
  });

  fault('competition', 'somebody has modified the helper', small, async (scenario, check) => {
    await scenario.cli('apply', '-f', scenario.writeSpec());
    await scenario.cli('check', scenario.cluster);
    const place = '/usr/local/libexec/ospatch-node-*';
    await sh(scenario.node, `set -- ${place}; [ -x "$1" ] && sed -i '2i touch /root/owned' "$1"`);
    await scenario.patch();
    await check({ state: 'patched', transactions: 1, reboots: 0 });
    await sh(scenario.node, `! test -e /root/owned && ! grep -l owned ${place}`);
  });

  fault('competition', 'two clusters patch the same node at once', { quick: true }, async (scenario, check) => {
    const other = `${scenario.cluster}-other`;
    for (const name of [scenario.cluster, other]) {
      expect((await scenario.cli('apply', '-f', scenario.writeSpec({ name }))).code).toBe(0);
    }
    const requested = await Promise.all([scenario.cli('patch', scenario.cluster), scenario.cli('patch', other)]);
    expect(requested.map(({ code }) => code)).toEqual([0, 0]);
    const run = await findRun(scenario.client, other, 1);
    await run.result().catch(() => undefined);
    await scenario.ended();
    const results = await Promise.all(
      [scenario.cluster, other].map((name) => nodeRecord(scenario.client, name, scenario.node.name)),
    );
    const changed = results.filter(({ changes }) => changes.length > 0);
    expect(results.map(({ error }) => error)).toEqual([null, null]);
    expect(changed).toHaveLength(1);
    const ours = results[0];
    await check({
      state: ours?.outcome === 'up-to-date' ? 'up-to-date' : 'patched',
      transactions: 1,
      reboots: 1,
      ownReboots: ours?.reboots ?? 1,
    });
  });
});
