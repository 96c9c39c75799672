import { renderFrame } from '../../../src/cli/render/live';
import { renderStatus } from '../../../src/cli/render/status';
import type { LiveStatus } from '../../../src/client/live-status';
import { golden } from '../../support/golden';
import { NOW, PLAIN, live, node, status } from '../support';
import { fleet } from './fleet';

const SIZES = [3, 60, 500];

function viewAt(columns: number | undefined, more: { all?: boolean } = {}) {
  return { now: NOW, zone: 'UTC', color: { ...PLAIN, columns }, ...more };
}

function statusAt(shown: LiveStatus, columns: number | undefined, more: { all?: boolean } = {}): string {
  return renderStatus(shown, shown.explanation, viewAt(columns, more));
}

function widest(lines: readonly string[]): number {
  return Math.max(...lines.map((line) => line.length));
}

describe('the status of clusters of many nodes', () => {
  test.each(SIZES.flatMap((size) => [40, 80, 140].map((columns) => [size, columns] as const)))(
    'of %i nodes, in %i columns, is as kept',
    (size, columns) => {
      const text = statusAt(fleet(size), columns);
      expect(text).toBe(golden(__dirname, `status-${size}-${columns}`, text));
    },
  );

  test.each(SIZES.flatMap((size) => [40, 60, 80, 140].map((columns) => [size, columns] as const)))(
    'of %i nodes never exceeds %i columns, nor does a frame of the live display exceed the terminal',
    (size, columns) => {
      expect(widest(statusAt(fleet(size), columns).split('\n'))).toBeLessThanOrEqual(columns);
      const frame = renderFrame(fleet(size), { ...viewAt(columns), height: 24, notice: 'no worker. Still trying' });
      expect(widest(frame)).toBeLessThanOrEqual(columns);
      expect(frame.length).toBeLessThan(24);
    },
  );

  test('of 500 nodes lists those in work and those that failed, and counts the rest', () => {
    const text = statusAt(fleet(500), 80);
    expect(text.split('\n').length).toBeLessThan(56);
    expect(text).toMatch(/^worker-001 +patching +reboot/m);
    expect(text).toMatch(/^worker-008 +failed/m);
    expect(text).not.toMatch(/^worker-006/m);
    expect(text).toContain('and 40 more failed, 445 others; every node: ospatch status demo --all');
    expect(statusAt(fleet(500), 80, { all: true }).match(/^worker-\d{3} {2}/gm)).toHaveLength(500);
  });

  test('names what is next, why not yet, the budget and the forecast end', () => {
    const text = statusAt(fleet(60), undefined);
    expect(text).toContain('[#####################---------] 71 %');
    expect(text).toContain(
      'worker-009, worker-010, worker-019 and 9 more, not yet: all 4 places are taken (concurrency 4)',
    );
    expect(text).toContain('6 of 60 allowed; with more, the run waits for a decision');
    expect(text).toContain('the run ends about 2026-11-23 15:40, a guess that assumes 20m per node');
  });

  test.each([
    ['2026-11-23T16:00:00.000Z', '20m in time'],
    ['2026-11-23T14:10:00.000Z', '1h30m too long'],
  ])('sets the forecast end against a window that ends at %s', (windowEnd, difference) => {
    const { run, ...rest } = fleet(60);
    const shown = {
      ...rest,
      run: run === null ? null : { ...run, detail: { ...run.detail, windowEnd } },
    } as LiveStatus;
    const end = `the window ends at ${windowEnd.slice(0, 16).replace('T', ' ')}`;
    expect(statusAt(shown, undefined)).toContain(`a guess that assumes 20m per node, ${difference}: ${end}`);
  });

  test('cuts nothing in a pipe', () => {
    const message = `${'a very long reason '.repeat(40)}end`;
    const nodes = fleet(60).nodes.map((one) => ({ ...one, lastError: { type: 'DiskFull' as const, message } }));
    expect(statusAt({ ...fleet(60), nodes }, undefined)).toContain(`DiskFull: ${message}`);
  });

  test('lists lost nodes, failures, quarantined and locked ones each for themselves, none hidden by the others', () => {
    const many = (prefix: string, more: Parameters<typeof node>[1]) =>
      Array.from({ length: 30 }, (_, at) => node(`${prefix}-${at}`, more));
    const error = { type: 'HostKeyMismatch', message: 'another host key' } as const;
    const lock = { at: '2026-11-23T10:00:00Z', by: 'ann', reason: 'incident', until: null };
    const nodes = [
      ...many('fine', { state: 'up-to-date' }),
      ...many('debt', { state: 'reboot-pending' }),
      ...many('locked', { state: 'patched', lock }),
      ...many('bad', { state: 'failed', quarantine: error, lastError: error }),
      ...many('lost', { state: 'patching', lastError: { type: 'UnreachableAfterChange', message: 'gone' } }),
      ...many('held', { state: 'waiting' }),
    ];
    const current = [live('held-3', { state: 'waiting', heldBy: 'run 4' })];
    const text = statusAt(status(nodes, { current }), undefined);
    const listed = [...text.matchAll(/^([a-z]+)-\d+ {2}/gm)].map(([, kind]) => kind);
    expect([...new Set(listed)]).toEqual(['lost', 'bad', 'held', 'locked', 'debt']);
    for (const kind of ['lost', 'bad', 'locked', 'debt']) expect(listed.filter((one) => one === kind)).toHaveLength(10);
    expect(text).toContain('and 20 more lost, 20 more failed, 20 more locked, 20 more reboot-pending, 59 others;');
    expect(text).toContain('waiting for run 4 to finish on this node');
  });
});
