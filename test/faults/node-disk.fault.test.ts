/** The disks of the node are full or read-only, before or during the run. */
import '../support/slow-suite';
import type { RunReport } from '../../src/client/cluster-client';
import { fault } from './fault';
import { sh } from '../support/sh';
import { SMALL_NODE, patchInto, pendingUpdate } from './node-tools';
import { nodePatch } from '../support/members';

const small = { node: SMALL_NODE } as const;

/** Like an error of the file system, except that open files stay writable. */
const READ_ONLY = 'for d in /usr /etc /var /root /opt; do mount --bind $d $d && mount -o remount,bind,ro $d; done';
const WRITABLE = 'for d in /usr /etc /var /root /opt; do umount -l $d; done';

describe('faults/node-disk', () => {
  fault('node', 'the disk is full before the run', { ...small, quick: true }, async (scenario, check) => {
    // /var in memory with 100 MiB free; its logs stay where the test reads them.
    await sh(
      scenario.node,
      `mkdir /old /new && mount --bind /var /old && mount -t tmpfs -o size=1g tmpfs /new &&
       cp -a /old/. /new && mount --bind /new /var && umount /new && mount --bind /old/log /var/log && rmdir /new &&
       used=$(df -Pk /var | awk 'END { print $3 }') && mount -o remount,size=$((used + 102400))k /var`,
    );
    await scenario.patch();
    await check({
      state: 'failed',
      transactions: 0,
      reboots: 0,
      sentence:
        /^w-1 has (9\d|100) MiB free on \/var; at least 300 MiB are needed to patch it safely; nothing was changed$/,
    });
  });

  fault('node', 'the disk is too small for the downloads', { node: { updates: 'few' } }, async (scenario, check) => {
    await sh(scenario.node, 'mount -t tmpfs -o size=64k tmpfs /var/cache/apt/archives');
    await scenario.patch();
    await check({
      state: 'failed',
      transactions: 0,
      reboots: 0,
      sentence:
        /^apply failed on w-1: \/var\/cache\/apt\/archives is full: 0 of 0 MiB free now \(.*\/var\/cache\/apt\/archives\/?.*\); nothing was changed$/,
    });
  });

  fault('node', 'the disk becomes full during the run', { ...small, quick: true }, async (scenario, check) => {
    const files = { '/opt/lab/big': 'x'.repeat(3_000_000) };
    await sh(scenario.node, 'mkdir -p /opt/lab && mount -t tmpfs -o size=1m tmpfs /opt/lab');
    await pendingUpdate(scenario.node, 'lab-big', { files });
    await scenario.patch();
    scenario.moment = 'during apply';
    await check({
      state: 'failed',
      transactions: 2,
      reboots: 0,
      sentence:
        /^apply failed on w-1: \/opt\/lab has too little room: [01] of 1 MiB free now \(dpkg: error processing archive .*lab-big.*No space left on device.*\); 1 package was changed$/,
    });
  });

  fault('node', 'the root file system is read-only', small, async (scenario, check) => {
    // Installs the helper, like an earlier run.
    await scenario.cli('apply', '-f', scenario.writeSpec());
    await scenario.cli('check', scenario.cluster);
    await sh(scenario.node, READ_ONLY);
    await scenario.patch();
    await check({
      state: 'failed',
      transactions: 0,
      reboots: 0,
      sentence: /^no job can be started on w-1: .*read-only.*; nothing was changed$/,
    });
  });

  fault('node', 'the root file system is read-only and there is no helper yet', small, async (scenario, check) => {
    await sh(scenario.node, READ_ONLY);
    await scenario.patch();
    await check({
      state: 'failed',
      transactions: 0,
      reboots: 0,
      sentence:
        /^the helper cannot be written to \/usr\/local\/libexec on w-1: .*Read-only file system.*; nothing was changed$/,
    });
  });

  fault(
    'node',
    'the root file system becomes read-only during apply',
    { ...small, quick: true },
    async (scenario, check) => {
      await patchInto(scenario, 'configure');
      await sh(scenario.node, READ_ONLY);
      await scenario.ended();
      const failed = (await scenario.status()).nodes[0]?.lastError;
      expect(failed).toMatchObject({
        message:
          'no job can be started on w-1: the file system /var is read-only; ' +
          'what the package transaction has changed is not known yet',
        remedy: expect.stringContaining('patch the node again'),
      });
      // The report of the unpacked packages survives in memory.
      const { stdout } = await scenario.cli('history', scenario.cluster, '--run', '1', '-o', 'json');
      const report = JSON.parse(stdout) as RunReport;
      expect(nodePatch(report.nodes[0]?.record).changes.map(({ name }) => name)).toEqual([
        'lab-configure',
        'lab-small',
      ]);
      // After the manual repair the next run completes the rest.
      await sh(scenario.node, WRITABLE);
      expect((await scenario.cli('patch', scenario.cluster)).code).toBe(0);
      await check({ run: 2, state: 'up-to-date', transactions: 1, reboots: 0, configuredTwice: ['lab-configure'] });
    },
  );
});
