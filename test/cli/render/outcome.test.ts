import { describeBootPatch, describeRunEnd, runExitCode } from '../../../src/cli/render/outcome';
import { settled } from '../../support/builders';
import { node, status, summary } from '../support';

describe('src/cli/render/outcome', () => {
  test('a run fails the command when a node failed or was skipped, or when the run was cancelled', () => {
    expect(runExitCode(summary(1, { outcome: 'failed', failed: 1 }))).toBe(1);
    expect(runExitCode(summary(1, { outcome: 'stopped', failed: 1, notTried: 1 }))).toBe(1);
    expect(runExitCode(summary(1, { outcome: 'cancelled' }))).toBe(1);
    expect(runExitCode(summary(1))).toBe(0);
  });

  test('a pending reboot does not fail the command and is reported', () => {
    const run = summary(7, { patched: 1, rebootPending: 1 });
    expect(runExitCode(run)).toBe(0);
    expect(describeRunEnd('demo', run, [settled('w-1'), settled('w-2', { outcome: 'reboot-pending' })])).toEqual([
      'run 7 of demo succeeded after 1m5s: 1 patched, 1 reboot-pending',
      'reboot pending on w-2: reboot by hand, or set patching.rebootIfRequired: true and patch again',
    ]);
  });

  test('a failed node is named with its error and a fix', () => {
    const error = { type: 'DiskFull', message: 'w-1 has no space left', remedy: 'free some' } as const;
    const lines = describeRunEnd('demo', summary(7, { outcome: 'failed', failed: 1 }), [
      settled('w-1', { outcome: 'failed', error }),
    ]);
    expect(lines.slice(1)).toEqual(['w-1: w-1 has no space left', '  fix: free some']);
  });

  test('the boot patch counts for the named nodes only', () => {
    const nodes = [
      node('w-1', { bootPatch: 'done' }),
      node('w-2', { bootPatch: 'failed' }),
      node('w-3', { bootPatch: 'failed' }),
    ];
    const { lines, failed } = describeBootPatch('demo', ['w-1', 'w-2'], status(nodes));
    expect(lines[0]).toBe('boot patch of demo: 1 of 2 nodes done');
    expect(failed).toEqual(['w-2']);
  });
});
