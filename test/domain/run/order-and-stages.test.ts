import { countOf, limitsOf } from '../../../src/domain/run/limits';
import { orderNodes } from '../../../src/domain/run/order';
import { stagesOf } from '../../../src/domain/run/stages';
import { GUESSED_PATCH_MS, forecaster } from '../../../src/domain/run/forecast';

describe('src/domain/run/limits', () => {
  it('are at least 1 and never more than a share allows', () => {
    expect(countOf('10%', 25)).toBe(2);
    expect(countOf('10%', 3)).toBe(1);
    expect(countOf('0%', 100)).toBe(0);
    expect(countOf(7, 3)).toBe(7);
  });

  it('of unavailable nodes are counted over the cluster, the others over the run', () => {
    const rollout = { order: 'workers-first', concurrency: '50%', maxUnavailable: '10%', zones: 'any' } as const;
    expect(limitsOf({ ...rollout, maxFailures: '20%', onExceeded: 'pause' }, 10, 100)).toEqual({
      ...{ concurrency: 5, maxUnavailable: 10, oneZoneAtATime: false, maxFailures: 2, onExceeded: 'pause' },
    });
  });
});

const nodes = [
  { name: 'cp-1', role: 'control-plane' as const },
  { name: 'w-1', role: 'worker' as const, zone: 'b' },
  { name: 'w-2', role: 'worker' as const, zone: 'a' },
  { name: 'w-3', role: 'worker' as const, zone: 'a' },
  { name: 'w-4', role: 'worker' as const },
];

describe('src/domain/run/order', () => {
  it('is by role, zone and the oldest patch', () => {
    const patched = new Map([
      ['w-2', '2026-11-01T00:00:00Z'],
      ['w-3', '2026-10-01T00:00:00Z'],
    ]);
    const names = (order: Parameters<typeof orderNodes>[1]): string[] =>
      orderNodes(nodes, order, patched).map(({ name }) => name);
    expect(names('workers-first')).toEqual(['w-3', 'w-2', 'w-1', 'w-4', 'cp-1']);
    expect(names('control-planes-first')).toEqual(['cp-1', 'w-3', 'w-2', 'w-1', 'w-4']);
    expect(names(['w-4', 'cp-1'])).toEqual(['w-4', 'cp-1', 'w-3', 'w-2', 'w-1']);
  });
});

describe('src/domain/run/stages', () => {
  it('take their nodes in order from those that no earlier stage has, and leave the rest to a last one', () => {
    const fleet = Array.from({ length: 10 }, (_, at) => ({
      name: `n-${at}`,
      labels: at === 9 ? { canary: 'yes' } : {},
    }));
    const stages = stagesOf(fleet, [
      { nodes: { selector: 'canary=yes' }, soak: '1h' },
      { nodes: '25%', concurrency: 2 },
    ]);
    expect(stages.map((stage) => stage.nodes.length)).toEqual([1, 2, 7]);
    expect(stages[0]).toEqual({ nodes: ['n-9'], soakMs: 3_600_000, concurrency: null });
    expect(stages[1]).toEqual({ nodes: ['n-0', 'n-1'], soakMs: 0, concurrency: 2 });
    expect(stagesOf(fleet).map((stage) => stage.nodes.length)).toEqual([10]);
    expect(stagesOf(fleet, [{ nodes: 100 }, { nodes: 1 }]).map((stage) => stage.nodes.length)).toEqual([10]);
  });
});

describe('src/domain/run/forecast', () => {
  it('rests on the last patches of the node, else on those of the cluster, else on a guess', () => {
    const forecast = forecaster(
      new Map([
        ['w-1', [60_000, 60_000]],
        ['w-3', [180_000, 180_000]],
      ]),
    );
    expect(forecast('w-1')).toEqual({ ms: 60_000, from: 'node' });
    expect(forecast('w-2')).toEqual({ ms: 180_000, from: 'cluster' });
    expect(forecaster(new Map())('w-1')).toEqual({ ms: GUESSED_PATCH_MS, from: 'guess' });
    // The less is known of how much they differ, the longer.
    expect(forecaster(new Map([['w-1', [60_000]]]))('w-1').ms).toBe(75_000);
    expect(forecaster(new Map([['w-1', [60_000, 90_000]]]))('w-1').ms).toBeGreaterThan(150_000);
  });

  it('is at most twice the longest patch, however little is known and however far that lies apart', () => {
    const forecast = forecaster(
      new Map([
        ['w-1', [0, 90_000]],
        ['w-2', [1_000]],
      ]),
    );
    expect(forecast('w-1').ms).toBe(180_000);
    expect(forecast('w-2').ms).toBe(180_000);
    // Finished at once, twice.
    expect(forecaster(new Map([['w-1', [0, 0]]]))('w-1').ms).toBe(1_000);
  });

  it('is kept by at least 90 % of patches whose durations differ as usual, and is not far beyond', () => {
    let seed = 7;
    const uniform = (): number => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647;
    const normal = (): number => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
    for (const spread of [0.05, 0.2, 0.4]) {
      const typical = Array.from({ length: 2_000 }, () => 600_000 * Math.exp(0.4 * normal()));
      const take = (ms: number): number => ms * Math.exp(spread * normal());
      const forecast = forecaster(new Map(typical.map((ms, at) => [`w-${at}`, [take(ms), take(ms), take(ms)]])));
      const kept = typical.filter((ms, at) => take(ms) <= forecast(`w-${at}`).ms).length;
      expect(kept / typical.length).toBeGreaterThan(0.88);
      expect(kept / typical.length).toBeLessThan(0.94);
    }
  });
});
