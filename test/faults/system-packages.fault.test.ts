/** What the connection, the privilege and the job itself stand on is updated during the run. */
import '../support/slow-suite';
import { fault } from './fault';
import { jobsOf } from './node-view';
import { sh } from '../support/sh';
import { SMALL_NODE, forgetTransactions, write } from './node-tools';
import { offerNewer } from './real-packages';
import type { Scene } from './scene';

const small = { node: { ...SMALL_NODE, archive: true } } as const;

async function newerInstalled(stage: Scene, names: string[]): Promise<string[]> {
  const installed = await sh(stage.node, "dpkg-query -W -f '${Package} ${Version}\\n' | sed -n 's/ .*+lab1$//p'");
  return names.filter((name) => !installed.split('\n').includes(name));
}

/** One apply that was not disturbed, and no repair. */
function expectOneCleanJob(stage: Scene): void {
  expect([jobsOf(stage.node, 'apply').length, jobsOf(stage.node, 'repair').length]).toEqual([1, 0]);
}

async function expectRebootFor(stage: Scene, service: string): Promise<void> {
  const { stdout } = await stage.cli('history', stage.cluster, '--run', '1', '-o', 'json');
  expect(stdout).toContain(`${service} runs code that was replaced, and only a reboot starts it anew`);
}

describe('faults/system-packages', () => {
  fault('packages', 'systemd, openssh-server and sudo are updated', { ...small, quick: true }, async (stage, check) => {
    const names = await offerNewer(stage.node, ['systemd', 'openssh', 'sudo']);
    expect(names).toEqual(expect.arrayContaining(['openssh-server', 'sudo', 'systemd']));
    await stage.patch();
    // Nothing but a reboot gives dbus the new libraries.
    await check({ state: 'patched', transactions: 1, reboots: 1 });
    await expectRebootFor(stage, 'dbus.service');
    expect(await newerInstalled(stage, names)).toEqual([]);
    expectOneCleanJob(stage);
  });

  fault('packages', 'libc is updated and needrestart restarts services by itself', small, async (stage, check) => {
    await sh(stage.node, 'apt-get -qq -y --no-install-recommends install needrestart >/dev/null');
    write(stage.node, 'etc/needrestart/conf.d/lab.conf', "$nrconf{restart} = 'a';\n");
    forgetTransactions(stage.node);
    const names = await offerNewer(stage.node, ['glibc']);
    await stage.patch();
    // Nothing but a reboot gives dbus the new libraries.
    await check({ state: 'patched', transactions: 1, reboots: 1 });
    await expectRebootFor(stage, 'dbus.service');
    expect(await newerInstalled(stage, names)).toEqual([]);
    expectOneCleanJob(stage);
  });
});
