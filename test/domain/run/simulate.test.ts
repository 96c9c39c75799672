import type { RunLimits } from '../../../src/domain/run/limits';
import type { SimulatedRun } from '../../../src/domain/run/simulate';
import { simulateRun } from '../../../src/domain/run/simulate';

const MINUTE = 60_000;
const START = Date.parse('2026-11-29T00:00:00Z');
const LIMITS: RunLimits = {
  ...{ concurrency: 1, maxUnavailable: null, oneZoneAtATime: false },
  ...{ maxFailures: 0, onExceeded: 'stop' },
};

function at(minutes: number): string {
  return new Date(START + minutes * MINUTE).toISOString();
}

/** Ten minutes for each node, unless `minutes` says otherwise; minutes from the start for each node that is reached. */
function simulate(
  names: string[],
  {
    limits = {},
    failing = [],
    minutes = {},
    ...more
  }: Partial<Omit<SimulatedRun, 'limits'>> & {
    limits?: Partial<RunLimits>;
    failing?: string[];
    minutes?: Record<string, number>;
  } = {},
) {
  const msOf = (name: string): number => (minutes[name] ?? 10) * MINUTE;
  const { turns, endMs, hold } = simulateRun({
    members: names.map((name) => ({ name, role: 'worker', zone: null, stage: 0 })),
    stages: [{ soakMs: 0, concurrency: null }],
    ...{ rolesApart: true, unavailable: new Set<string>(), startMs: START, windows: [] },
    turnAt: (name) => ({ ms: msOf(name), isFailure: failing.includes(name) }),
    forecast: (name) => ({ ms: msOf(name), from: 'node' }),
    ...more,
    limits: { ...LIMITS, ...limits },
  });
  const of = (ms: number): number => (ms - START) / MINUTE;
  return {
    turns: [...turns].map(([name, { startMs, endMs: end }]) => [name, of(startMs), of(end)]),
    end: of(endMs),
    hold,
  };
}

describe('src/domain/run/simulate', () => {
  test('starts the next node as soon as a place is free', () => {
    expect(simulate(['a', 'b', 'c'], { limits: { concurrency: 2 }, minutes: { a: 25 } })).toEqual({
      turns: [
        ['a', 0, 25],
        ['b', 0, 10],
        ['c', 10, 20],
      ],
      ...{ end: 25, hold: null },
    });
  });

  test('waits for soaks, and keeps the limit of each stage', () => {
    const members = ['a', 'b', 'c', 'd'].map((name, place) => ({
      ...({ name, role: 'worker', zone: null, stage: place === 0 ? 0 : 1 } as const),
    }));
    const stages = [
      { soakMs: 60 * MINUTE, concurrency: null },
      { soakMs: 0, concurrency: 2 },
    ];
    expect(simulate([], { members, stages, limits: { concurrency: 5 } }).turns).toEqual([
      ['a', 0, 10],
      ['b', 70, 80],
      ['c', 70, 80],
      ['d', 80, 90],
    ]);
  });

  test('stops where the failure budget is spent, while those in flight end', () => {
    const { turns, end, hold } = simulate(['a', 'b', 'c', 'd'], {
      ...{ failing: ['a'], minutes: { a: 1, b: 30 }, limits: { concurrency: 2 } },
    });
    expect(turns.map(([name]) => name)).toEqual(['a', 'b']);
    expect(end).toBe(30);
    expect(hold).toEqual({ kind: 'budget', failures: 1, limit: 0 });
  });

  test('goes on in the next window where the next node would not end in this one, and ends with the last window', () => {
    const windows = [
      { start: at(0), end: at(25), cutoff: null },
      { start: at(1_000), end: at(1_010), cutoff: null },
    ];
    const { turns, hold } = simulate(['a', 'b', 'c', 'd'], { windows });
    expect(turns).toEqual([
      ['a', 0, 10],
      ['b', 10, 20],
      ['c', 1_000, 1_010],
    ]);
    expect(hold).toMatchObject({ kind: 'window', next: 'd' });
  });

  test('does not reach nodes that have to wait for others which nobody repairs', () => {
    const { turns, hold } = simulate(['a', 'b'], {
      ...{ limits: { concurrency: 2, maxUnavailable: 1 }, unavailable: new Set(['x']) },
    });
    expect(turns).toEqual([]);
    expect(hold).toMatchObject({ kind: 'max-unavailable', unavailable: ['x'] });
  });

  test('takes 5,000 nodes, 500 at a time, in seconds', () => {
    const names = Array.from({ length: 5_000 }, (_, place) => `w-${place}`);
    const minutes = Object.fromEntries(names.map((name, place) => [name, 5 + (place % 10)]));
    const began = process.cpuUsage();
    const { turns } = simulate(names, { limits: { concurrency: 500 }, minutes });
    const { user, system } = process.cpuUsage(began);
    expect(turns).toHaveLength(5_000);
    expect((user + system) / 1_000).toBeLessThan(20_000);
  });
});
