/** The worker dies without a word in the middle of a package transaction. */
import '../support/slow-suite';
import { slowPackage } from '../support/local-stack';
import { waitFor } from '../support/wait-for';
import type { Stack } from './stack';
import { startStack } from './stack';

/** Long enough to kill the worker in the middle of it. */
const SLOW_SECONDS = 10;

/** When apt says that its last transaction ended, in epoch milliseconds; the clock of the lab's nodes is in UTC. */
function lastTransactionEnd(log: string): number {
  const ends = [...log.matchAll(/^End-Date: (\S+) {2}(\S+)$/gm)];
  return Date.parse(`${ends.at(-1)?.[1]}T${ends.at(-1)?.[2]}Z`);
}

let stack: Stack;

beforeAll(async () => {
  stack = await startStack([
    {
      name: 'w-1',
      updates: 'few',
      labReboot: true,
      labUpdates: [{ from: slowPackage('1.0', 0), to: slowPackage('1.1', SLOW_SECONDS) }],
    },
    { name: 'w-2', updates: 'none', labReboot: true },
  ]);
});

afterAll(() => stack.stop());

describe('e2e/worker killed', () => {
  it('finishes the run on a new worker, with exactly one package transaction and one reboot', async () => {
    const file = stack.writeSpec({ name: 'sturdy', patching: '{rebootIfRequired: true}' });
    await stack.cli('enroll', '-f', file, '--yes');
    await stack.cli('apply', '-f', file);
    const node = stack.lab.node('w-1');
    const boots = node.bootCount;
    await stack.cli('patch', 'sturdy');
    await waitFor(async () => (await node.exec('pgrep -f "[d]ist-upgrade"')).code === 0, {
      what: 'dist-upgrade on w-1',
      timeoutMs: 120_000,
    });
    await stack.worker.kill9();

    const alone = await stack.cli('status', 'sturdy', '--timeout', '5s');
    expect(alone.code).toBe(1);
    expect(alone.stderr).toMatch(/^error: no (worker|answer)/);
    // The node goes on without anybody watching.
    await waitFor(async () => (await node.exec('pgrep -f "[d]ist-upgrade"')).code !== 0, {
      what: 'the end of dist-upgrade',
      timeoutMs: 120_000,
    });

    await stack.startWorker();
    const status = await stack.runEnded('sturdy', 1);
    expect(status.lastRun).toMatchObject({ outcome: 'succeeded', patched: 2 });
    expect(stack.transactions('w-1')).toBe(1);
    expect(node.bootCount).toBe(boots + 1);
    const applied = Date.parse(status.nodes.find(({ name }) => name === 'w-1')?.lastAppliedPatchTime ?? '');
    expect(Math.abs(applied - lastTransactionEnd(node.readFile('/var/log/apt/history.log')))).toBeLessThan(5_000);
    expect((await node.exec('dpkg --audit')).stdout).toBe('');
    expect((await node.exec('systemctl list-units --all --plain --no-legend "ospatch*"')).stdout.trim()).toBe('');
  });
});
