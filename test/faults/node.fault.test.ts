/** The node itself fails during a transaction, or is unfit for one. */
import '../support/slow-suite';
import { waitFor } from '../support/wait-for';
import { fault } from './fault';
import { dpkgLog } from './node-view';
import { sh } from '../support/sh';
import {
  SLOW_DONE,
  SMALL_NODE,
  inTheMiddle,
  killJob,
  patchInto,
  remove,
  slowToConfigure,
  slowToUnpack,
} from './node-tools';
import type { Scenario } from './scenario';

async function cutPower(scenario: Scenario): Promise<void> {
  await scenario.node.powerCut();
  scenario.node.start();
}

const small = { node: SMALL_NODE } as const;

describe('faults/node', () => {
  fault('node', 'the power is cut while a package is unpacked', { ...small, quick: true }, async (scenario, check) => {
    await patchInto(scenario, 'unpack');
    await cutPower(scenario);
    // The second transaction completes the first.
    await check({ state: 'patched', transactions: 2, reboots: 1, ownReboots: 0 });
  });

  fault(
    'node',
    'the power is cut while a package is unpacked whose old version is no longer available',
    small,
    async (scenario, check) => {
      await patchInto(scenario, 'unpack', 'gone');
      await cutPower(scenario);
      await check({ state: 'patched', transactions: 2, reboots: 1, ownReboots: 0 });
    },
  );

  fault('node', 'the power is cut while a package is configured', small, async (scenario, check) => {
    await patchInto(scenario, 'configure');
    await cutPower(scenario);
    await check({
      state: 'patched',
      transactions: 1,
      reboots: 1,
      ownReboots: 0,
      configuredTwice: ['lab-configure'],
    });
  });

  fault('node', 'the power is cut three times in a row', small, async (scenario, check) => {
    await slowToUnpack(scenario);
    await scenario.patch();
    for (let cut = 1; cut <= 3; cut += 1) {
      const unpacks = (): number => dpkgLog(scenario.node).match(/ (?:upgrade|install) lab-unpack/g)?.length ?? 0;
      await waitFor(() => unpacks() >= cut, { what: `unpack ${cut}`, timeoutMs: 240_000, pollMs: 50 });
      await scenario.node.powerCut();
      remove(scenario.node, SLOW_DONE);
      scenario.node.start();
    }
    scenario.moment = 'during the unpack of apply, and of two repairs';
    await check({ state: 'patched', transactions: 4, reboots: 3, ownReboots: 0 });
  });

  fault('node', 'somebody reboots the node cleanly during apply', small, async (scenario, check) => {
    await patchInto(scenario, 'configure');
    await scenario.node.exec('systemctl reboot');
    // The shutdown waits for the package manager.
    await check({ state: 'patched', transactions: 1, reboots: 1, ownReboots: 0 });
  });

  fault('node', 'somebody reboots the node by force during apply', small, async (scenario, check) => {
    await patchInto(scenario, 'configure');
    await scenario.node.exec('systemctl reboot --force');
    await check({
      state: 'patched',
      transactions: 1,
      reboots: 1,
      ownReboots: 0,
      configuredTwice: ['lab-configure'],
    });
  });

  // The target of the OOM killer: one process, or the whole unit.
  for (const [which, quick] of [
    ['all', true],
    ['dpkg', false],
    ['apt-get', false],
    ['helper', false],
  ] as const) {
    const whom = which === 'all' ? 'helper and package manager together' : which;
    fault('node', `the OOM killer kills ${whom}`, { ...small, quick }, async (scenario, check) => {
      await patchInto(scenario, 'configure');
      await killJob(scenario.node, which);
      // Without the helper's wrapper the package manager runs to its end; without apt-get, dpkg ends too.
      const twice = which !== 'helper';
      await check({
        state: 'patched',
        transactions: 1,
        reboots: 0,
        configuredTwice: twice ? ['lab-configure'] : [],
      });
    });
  }

  fault('node', 'dpkg was interrupted before the run', { ...small, quick: true }, async (scenario, check) => {
    await slowToConfigure(scenario);
    const byHand = scenario.node.exec('apt-get -q update; exec apt-get -q -y install lab-configure');
    await inTheMiddle(scenario, 'configure');
    await sh(scenario.node, "kill -9 $(pidof apt-get dpkg); pkill -9 -f 'lab-[c]onfigure.postinst'; true");
    await byHand;
    await scenario.patch();
    scenario.moment = 'before preflight';
    await check({ state: 'patched', transactions: 2, reboots: 0, configuredTwice: ['lab-configure'] });
  });
});
