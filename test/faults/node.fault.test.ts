/** The node itself fails in the middle of a transaction, or is in no state for one. */
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
import type { Scene } from './scene';

async function cutPower(stage: Scene): Promise<void> {
  await stage.node.powerCut();
  stage.node.start();
}

const small = { node: SMALL_NODE } as const;

describe('faults/node', () => {
  fault('node', 'the power is cut while a package is unpacked', { ...small, quick: true }, async (stage, check) => {
    await patchInto(stage, 'unpack');
    await cutPower(stage);
    // The second transaction is what was left to do.
    await check({ state: 'patched', transactions: 2, reboots: 1, ownReboots: 0 });
  });

  fault(
    'node',
    'the power is cut while a package is unpacked whose old version has gone',
    small,
    async (stage, check) => {
      await patchInto(stage, 'unpack', 'gone');
      await cutPower(stage);
      await check({ state: 'patched', transactions: 2, reboots: 1, ownReboots: 0 });
    },
  );

  fault('node', 'the power is cut while a package is configured', small, async (stage, check) => {
    await patchInto(stage, 'configure');
    await cutPower(stage);
    await check({
      state: 'patched',
      transactions: 1,
      reboots: 1,
      ownReboots: 0,
      configuredTwice: ['lab-configure'],
    });
  });

  fault('node', 'the power is cut three times in a row', small, async (stage, check) => {
    await slowToUnpack(stage);
    await stage.patch();
    for (let cut = 1; cut <= 3; cut += 1) {
      const begun = (): number => dpkgLog(stage.node).match(/ (?:upgrade|install) lab-unpack/g)?.length ?? 0;
      await waitFor(() => begun() >= cut, { what: `unpack ${cut}`, timeoutMs: 240_000, pollMs: 50 });
      await stage.node.powerCut();
      remove(stage.node, SLOW_DONE);
      stage.node.start();
    }
    stage.moment = 'during the unpack of apply, and of two repairs';
    await check({ state: 'patched', transactions: 4, reboots: 3, ownReboots: 0 });
  });

  fault('node', 'somebody reboots the node in order during apply', small, async (stage, check) => {
    await patchInto(stage, 'configure');
    await stage.node.exec('systemctl reboot');
    // The shutdown waits for the package manager.
    await check({ state: 'patched', transactions: 1, reboots: 1, ownReboots: 0 });
  });

  fault('node', 'somebody reboots the node by force during apply', small, async (stage, check) => {
    await patchInto(stage, 'configure');
    await stage.node.exec('systemctl reboot --force');
    await check({
      state: 'patched',
      transactions: 1,
      reboots: 1,
      ownReboots: 0,
      configuredTwice: ['lab-configure'],
    });
  });

  // What the kernel kills when memory runs out: a process that it picks, or the whole unit.
  for (const [which, quick] of [
    ['all', true],
    ['dpkg', false],
    ['apt-get', false],
    ['helper', false],
  ] as const) {
    const whom = which === 'all' ? 'helper and package manager together' : which;
    fault('node', `the kernel kills ${whom} for want of memory`, { ...small, quick }, async (stage, check) => {
      await patchInto(stage, 'configure');
      await killJob(stage.node, which);
      // Without the helper's wrapper the package manager goes on to its end; without apt-get, dpkg ends too.
      const twice = which !== 'helper';
      await check({
        state: 'patched',
        transactions: 1,
        reboots: 0,
        configuredTwice: twice ? ['lab-configure'] : [],
      });
    });
  }

  fault('node', 'dpkg was interrupted before the run', { ...small, quick: true }, async (stage, check) => {
    await slowToConfigure(stage);
    const byHand = stage.node.exec('apt-get -q update; exec apt-get -q -y install lab-configure');
    await inTheMiddle(stage, 'configure');
    await sh(stage.node, "kill -9 $(pidof apt-get dpkg); pkill -9 -f 'lab-[c]onfigure.postinst'; true");
    await byHand;
    await stage.patch();
    stage.moment = 'before preflight';
    await check({ state: 'patched', transactions: 2, reboots: 0, configuredTwice: ['lab-configure'] });
  });
});
