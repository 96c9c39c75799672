import { progressIntervalMs, runOutcome } from '../../../src/domain/run/run';
import { parseProgress, parseRestrictions } from '../../../src/domain/run/progress-parser';
import { settled } from '../../support/builders';

const RUN_ID = 'cluster/demo/run/1-k';

describe('src/domain/run/run', () => {
  it('distinguishes a stopped run from one that failed on every reachable node', () => {
    const failed = settled('w-1', { outcome: 'failed' });
    expect(runOutcome([settled('w-2', { outcome: 'reboot-pending' })], false)).toBe('succeeded');
    expect(runOutcome([failed, settled('w-2')], false)).toBe('failed');
    expect(runOutcome([failed, settled('w-2', { outcome: 'not-tried' })], false)).toBe('stopped');
    expect(runOutcome([failed], true)).toBe('cancelled');
  });

  it('reports progress at least two seconds apart, and less often in a longer run', () => {
    expect(progressIntervalMs(0)).toBe(2_000);
    expect(progressIntervalMs(10 * 3_600_000)).toBe(144_000);
  });

  it.each([
    [null],
    [42],
    ['x'],
    [{}],
    [{ run: 2, workflowId: RUN_ID, settled: [] }],
    [{ run: 1, workflowId: RUN_ID, settled: 'x' }],
    [{ run: 1, workflowId: `${RUN_ID}-of-an-earlier-cluster`, settled: [] }],
  ])('rejects %p as progress of run 1', (value) => {
    expect(parseProgress(value, 1, RUN_ID)).toBeNull();
  });

  it('keeps only the well-typed fields of a progress report', () => {
    const forged = {
      kind: 'node',
      node: 'w-2',
      outcome: 'failed',
      error: { type: 'x', message: 5 },
      appliedAt: 7,
      reading: { kernel: {} },
    };
    const progress = parseProgress(
      {
        ...{ run: 1, workflowId: RUN_ID, started: ['w-3', 5] },
        settled: [settled('w-1'), { node: 1 }, { node: 'x', outcome: 'great' }, forged],
        lost: [{ node: 'w-4', message: 'gone' }],
      },
      1,
      RUN_ID,
    );
    expect(progress).toEqual({
      run: 1,
      workflowId: RUN_ID,
      settled: [
        settled('w-1'),
        settled('w-2', { outcome: 'failed', appliedAt: null, packagesChanged: 0, reading: null }),
      ],
      started: ['w-3'],
      lost: [],
    });
  });

  it.each([[null], [undefined], ['x'], [1]])('rejects %p as restrictions', (value) => {
    expect(parseRestrictions(value)).toBeNull();
  });
});
