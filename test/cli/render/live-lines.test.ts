import { describeChanges } from '../../../src/cli/render/live-lines';
import { live, node, runStatus, status, summary } from '../support';

describe('src/cli/render/live-lines', () => {
  const idle = status([node('w-1'), node('w-2')]);

  test('prints one line per change and nothing for an unchanged status', () => {
    const applying = status([node('w-1', { state: 'patching' }), node('w-2', { state: 'waiting' })], {
      run: runStatus(7),
      current: [live('w-1', { step: 'apply', done: 3, total: 12 })],
    });
    expect(describeChanges(idle, applying)).toEqual(['run 7 (on-demand) of 2 nodes', 'w-1 apply 3/12']);
    expect(describeChanges(applying, applying)).toEqual([]);
    const further = { ...applying, current: [live('w-1', { step: 'apply', done: 4, total: 12 })] };
    expect(describeChanges(applying, further)).toEqual(['w-1 apply 4/12']);
  });

  test('says of a node that waits in service that it does, and for what', () => {
    const waitingFor = 'other nodes to come back (maxUnavailable)';
    const waits = status([node('w-1', { state: 'patching' })], {
      run: runStatus(7),
      current: [live('w-1', { waitingFor })],
    });
    expect(describeChanges(idle, waits)).toContain(`w-1 in service, waiting for ${waitingFor}`);
  });

  test('reports the end of each node and then the end of the run', () => {
    const before = status([node('w-1', { state: 'patching' }), node('w-2', { state: 'waiting' })], {
      run: runStatus(7),
    });
    const lastError = { type: 'Unreachable', message: 'it does not answer' } as const;
    const after = status([node('w-1', { state: 'failed', lastError }), node('w-2', { state: 'not-tried' })], {
      lastRun: summary(7, { outcome: 'stopped', patched: 0, failed: 1, notTried: 1 }),
    });
    expect(describeChanges(before, after)).toEqual([
      'w-1 failed Unreachable: it does not answer',
      'w-2 not-tried',
      'run 7 stopped: 1 failed, 1 not tried',
    ]);
  });

  test('reports the end of one run before the start of the next', () => {
    const before = status([node('w-1', { state: 'patching' })], { run: runStatus(7) });
    const after = status([node('w-1', { state: 'patched' })], { run: runStatus(8), lastRun: summary(7) });
    expect(describeChanges(before, after)).toEqual([
      'w-1 patched',
      'run 7 succeeded: 2 patched',
      'run 8 (on-demand) of 2 nodes',
    ]);
  });

  test('reports a node whose whole patch fell between two polls', () => {
    const before = status([node('w-1', { state: 'up-to-date', lastCheckedTime: '2026-11-01T00:00:00Z' })], {
      run: runStatus(7),
    });
    const after = status([node('w-1', { state: 'up-to-date', lastCheckedTime: '2026-11-02T00:00:00Z' })], {
      run: runStatus(7),
    });
    expect(describeChanges(before, after)).toEqual(['w-1 up-to-date']);
  });

  test('prints nothing for the refresh of a node outside a run', () => {
    const before = status([node('w-1', { state: 'reboot-pending', lastCheckedTime: '2026-11-01T00:00:00Z' })]);
    const after = status([node('w-1', { state: 'reboot-pending', lastCheckedTime: '2026-11-02T00:00:00Z' })]);
    expect(describeChanges(before, after)).toEqual([]);
  });

  test('reports pause and resume', () => {
    const paused = status([node('w-1'), node('w-2')], { paused: { at: '', by: 'ann', reason: 'freeze' } });
    expect(describeChanges(idle, paused)).toEqual(['paused by ann: freeze']);
    expect(describeChanges(paused, idle)).toEqual(['resumed']);
  });

  test('reports what changes outside of runs', () => {
    const lock = { at: '2026-11-23T10:00:00Z', by: 'ann', reason: 'incident', until: null };
    const nextWindow = { start: '2026-11-29T00:00:00.000Z', end: '2026-11-29T04:00:00.000Z', index: 0 };
    const rejection = { request: 'patchNow', by: 'bob', at: '2026-11-23T11:00:00Z', message: 'demo is paused' };
    const before = status([node('w-1', { state: 'patched' }), node('w-2', { lock })]);
    const after = status([node('w-1', { state: 'reboot-pending', lock }), node('w-2'), node('w-3')], {
      nextWindow: nextWindow as never,
      lastRejection: rejection as never,
      state: 'waiting',
      explanation: 'the boot patch waits for a window',
    });
    expect(describeChanges(before, after)).toEqual([
      'w-3 is new in the cluster',
      'w-1 reboot-pending',
      'w-1 locked by ann: incident',
      'w-2 unlocked',
      'waiting: the boot patch waits for a window',
      'patchNow by bob refused: demo is paused',
      expect.stringMatching(/^next window: Sun 2026-11-29 /),
    ]);
    expect(describeChanges(after, before)).toContain('w-3 is no longer in the cluster');
    expect(describeChanges(after, after)).toEqual([]);
  });

  test('a check that confirms the state of a node is no change', () => {
    const checked = (at: string) => status([node('w-1', { state: 'up-to-date', lastCheckedTime: at })]);
    expect(describeChanges(checked('2026-11-01T00:00:00Z'), checked('2026-11-02T00:00:00Z'))).toEqual([]);
  });

  test('cuts nothing', () => {
    const message = `${'a very long reason '.repeat(40)}end`;
    const before = status([node('w-1', { state: 'patching' })], { run: runStatus(7) });
    const after = status([node('w-1', { state: 'failed', lastError: { type: 'DiskFull', message } })], {
      run: runStatus(7),
    });
    expect(describeChanges(before, after)).toEqual([`w-1 failed DiskFull: ${message}`]);
  });
});
