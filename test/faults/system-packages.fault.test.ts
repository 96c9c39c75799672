/** Updates of the packages that carry the connection, the privileges and the job itself. */
import '../support/slow-suite';
import { fault } from './fault';
import { jobsOf } from './node-view';
import { sh } from '../support/sh';
import { SMALL_NODE, forgetTransactions, write } from './node-tools';
import { offerNewer } from './real-packages';
import type { Scenario } from './scenario';

const small = { node: { ...SMALL_NODE, archive: true } } as const;

async function newerInstalled(scenario: Scenario, names: string[]): Promise<string[]> {
  const installed = await sh(scenario.node, "dpkg-query -W -f '${Package} ${Version}\\n' | sed -n 's/ .*+lab1$//p'");
  return names.filter((name) => !installed.split('\n').includes(name));
}

/** One undisturbed apply, and no repair. */
function expectOneCleanJob(scenario: Scenario): void {
  expect([jobsOf(scenario.node, 'apply').length, jobsOf(scenario.node, 'repair').length]).toEqual([1, 0]);
}

async function expectRebootFor(scenario: Scenario, service: string): Promise<void> {
  const { stdout } = await scenario.cli('history', scenario.cluster, '--run', '1', '-o', 'json');
  expect(stdout).toContain(`${service} runs code that was replaced, and only a reboot starts it anew`);
}

describe('faults/system-packages', () => {
  fault(
    'packages',
    'systemd, openssh-server and sudo are updated',
    { ...small, quick: true },
    async (scenario, check) => {
      const names = await offerNewer(scenario.node, ['systemd', 'openssh', 'sudo']);
      expect(names).toEqual(expect.arrayContaining(['openssh-server', 'sudo', 'systemd']));
      await scenario.patch();
      // dbus loads the new libraries only in a reboot.
      await check({ state: 'patched', transactions: 1, reboots: 1 });
      await expectRebootFor(scenario, 'dbus.service');
      expect(await newerInstalled(scenario, names)).toEqual([]);
      expectOneCleanJob(scenario);
    },
  );

  fault('packages', 'libc is updated and needrestart restarts services by itself', small, async (scenario, check) => {
    await sh(scenario.node, 'apt-get -qq -y --no-install-recommends install needrestart >/dev/null');
    write(scenario.node, 'etc/needrestart/conf.d/lab.conf', "$nrconf{restart} = 'a';\n");
    forgetTransactions(scenario.node);
    const names = await offerNewer(scenario.node, ['glibc']);
    await scenario.patch();
    // dbus loads the new libraries only in a reboot.
    await check({ state: 'patched', transactions: 1, reboots: 1 });
    await expectRebootFor(scenario, 'dbus.service');
    expect(await newerInstalled(scenario, names)).toEqual([]);
    expectOneCleanJob(scenario);
  });
});
