import { DecisionCounter, generationMs } from '../../../src/domain/cluster/pace';

const DAY_MS = 86_400_000;

describe('src/domain/cluster/pace', () => {
  it('continues every cluster as new within 7 days, and never all clusters together', () => {
    const lengths = Array.from({ length: 10_000 }, (_, index) => generationMs(`cluster-${index}`));
    expect(Math.max(...lengths)).toBeLessThanOrEqual(7 * DAY_MS);
    expect(Math.min(...lengths)).toBeGreaterThan(5 * DAY_MS - 1);
    const perHour = new Map<number, number>();
    for (const length of lengths) {
      const hour = Math.floor(length / 3_600_000);
      perHour.set(hour, (perHour.get(hour) ?? 0) + 1);
    }
    // The average is 208.
    expect(Math.max(...perHour.values())).toBeLessThan(300);
    expect(generationMs('prod-eu')).toBe(generationMs('prod-eu'));
  });

  it('stops a loop without progress, and none that catches up with windows', () => {
    const counter = new DecisionCounter();
    const day = (number: number): string => new Date(number * DAY_MS).toISOString();
    for (let passed = 0; passed < 20_000; passed += 1) expect(counter.isRunaway(day(passed))).toBe(false);
    let decisions = 0;
    while (!counter.isRunaway(day(5))) decisions += 1;
    expect(decisions).toBe(999);
    counter.reset();
    expect(counter.isRunaway(day(5))).toBe(false);
  });
});
