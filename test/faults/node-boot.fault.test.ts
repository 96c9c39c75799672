/** The node reboots, and comes back in an unexpected state. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import '../support/slow-suite';
import { waitFor } from '../support/wait-for';
import { mustRun } from '../../src/dev/host';
import { fault } from './fault';
import { BOOT_LOG } from './fault-node';
import { sh } from '../support/sh';
import { SMALL_NODE, waitingFor, write } from './node-tools';
import type { Scenario } from './scenario';

/** With an update that requires a reboot. */
const rebooting = { node: { ...SMALL_NODE, labReboot: true } } as const;

const FAILING_UNIT = '[Service]\nExecStart=/bin/false\n[Install]\nWantedBy=multi-user.target\n';

/** The node reboots itself soon after each boot from the second one on, as long as `condition` holds. */
async function loopBoots(scenario: Scenario, condition: string): Promise<void> {
  const script = `sleep 2; ! ${condition} || systemctl reboot`;
  const unit = `[Service]\nExecStart=/bin/sh -c '${script}'\n[Install]\nWantedBy=multi-user.target\n`;
  write(scenario.node, 'etc/systemd/system/lab-loop.service', unit);
  await sh(scenario.node, 'systemctl enable lab-loop');
}

/** New host keys, as after a reinstallation. The test itself trusts them. */
async function replaceHostKeys(scenario: Scenario): Promise<{ before: string; after: string }> {
  const file = path.join(scenario.node.rootDir, 'etc/ssh/ssh_host_ed25519_key');
  const print = async (): Promise<string> =>
    (await mustRun('ssh-keygen', ['-l', '-f', `${file}.pub`])).split(' ')[1] ?? '';
  const before = await print();
  const text = readFileSync(`${file}.pub`, 'utf8');
  for (const name of [file, `${file}.pub`]) await mustRun('rm', [name]);
  await mustRun('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'other', '-f', file]);
  const known = path.join(scenario.lab.dir, 'known_hosts');
  const key = (line: string): string => line.split(' ').slice(0, 2).join(' ');
  writeFileSync(known, readFileSync(known, 'utf8').replace(key(text), key(readFileSync(`${file}.pub`, 'utf8'))));
  return { before, after: await print() };
}

describe('faults/node-boot', () => {
  fault(
    'node',
    'the node does not come back for a while after the reboot',
    { ...rebooting, quick: true },
    async (scenario, check) => {
      scenario.node.bootDelayMs = 40_000;
      await scenario.patch();
      await scenario.reach('during node down');
      await waitFor(async () => /come back|cannot be reached/.test((await waitingFor(scenario)) ?? ''), {
        what: 'the wait in status',
      });
      expect((await scenario.status()).current[0]).toMatchObject({ node: 'w-1', step: 'reboot' });
      await check({ state: 'patched', transactions: 1, reboots: 1 });
    },
  );

  fault('node', 'a unit fails after the reboot', rebooting, async (scenario, check) => {
    write(scenario.node, 'etc/systemd/system/lab-fails.service', FAILING_UNIT);
    await sh(scenario.node, 'systemctl enable lab-fails');
    await scenario.patch();
    await check({
      state: 'failed',
      transactions: 1,
      reboots: 1,
      sentence:
        'w-1 is degraded: lab-fails.service failed and had not failed before; 2 packages were changed and it was rebooted once',
      left: ['failed-unit lab-fails.service'],
    });
  });

  fault('node', 'a unit that had failed before fails again after the reboot', rebooting, async (scenario, check) => {
    write(scenario.node, 'etc/systemd/system/lab-fails.service', FAILING_UNIT);
    await sh(scenario.node, 'systemctl enable lab-fails && { systemctl start lab-fails; true; }');
    await waitFor(async () => (await scenario.node.exec('systemctl is-failed lab-fails')).code === 0, {
      what: 'the failure',
    });
    await scenario.patch();
    await check({ state: 'patched', transactions: 1, reboots: 1, left: ['failed-unit lab-fails.service'] });
  });

  fault('node', 'the node reboots once more by itself', rebooting, async (scenario, check) => {
    await loopBoots(scenario, `[ "$(wc -l <${BOOT_LOG})" -lt 3 ]`);
    await scenario.patch();
    await check({ state: 'patched', transactions: 1, reboots: 2, ownReboots: 1 });
  });

  fault('node', 'the node reboots again and again', rebooting, async (scenario, check) => {
    await loopBoots(scenario, '[ ! -e /root/enough ]');
    await scenario.patch();
    await scenario.ended();
    write(scenario.node, 'root/enough', '');
    // The present boot may be the last one that ends in a reboot.
    await waitFor(
      async () => {
        const { code, stdout } = await scenario.node.exec('systemctl is-active lab-loop; true');
        return code === 0 && stdout.startsWith('inactive');
      },
      { what: 'the end of the loop', timeoutMs: 120_000, pollMs: 1_000 },
    );
    await check({
      state: 'failed',
      transactions: 1,
      reboots: scenario.node.bootCount - 1,
      ownReboots: 1,
      sentence: 'w-1 keeps rebooting by itself; 2 packages were changed and it was rebooted once',
    });
  });

  fault('node', 'the node comes back with another host key', { ...rebooting, quick: true }, async (scenario, check) => {
    // Powered off until the test powers the node on.
    scenario.node.bootDelayMs = 60_000;
    await scenario.patch();
    await scenario.reach('during node down');
    const { before, after } = await replaceHostKeys(scenario);
    scenario.node.start();
    await scenario.ended();
    await scenario.node.waitForSsh();
    await check({
      state: 'failed',
      transactions: 1,
      reboots: 1,
      ownReboots: 0,
      sentence: new RegExp(
        `^w-1 \\(127\\.0\\.0\\.1:\\d+\\) has another host key than the trusted one: expected ssh-ed25519 ${escape(before)}, ` +
          `got ssh-ed25519 ${escape(after)}; 2 packages were changed and a reboot was requested$`,
      ),
    });
  });
});

function escape(text: string): string {
  return text.replaceAll(/[+/.]/g, '\\$&');
}
