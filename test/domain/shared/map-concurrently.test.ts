import { mapConcurrently } from '../../../src/domain/shared/map-concurrently';

describe('src/domain/shared/map-concurrently', () => {
  it('limits concurrency, covers every item, and returns the results in order', async () => {
    let running = 0;
    let most = 0;
    const results = await mapConcurrently([30, 1, 20, 2, 10], 2, async (ms, index) => {
      running += 1;
      most = Math.max(most, running);
      for (let turn = 0; turn < ms; turn += 1) await Promise.resolve();
      running -= 1;
      return [index, ms];
    });
    expect(results).toEqual([
      [0, 30],
      [1, 1],
      [2, 20],
      [3, 2],
      [4, 10],
    ]);
    expect(most).toBe(2);
  });

  it('starts nothing after the first rejection, and rejects with that error', async () => {
    const started: number[] = [];
    const work = async (item: number): Promise<void> => {
      started.push(item);
      await Promise.resolve();
      if (item === 2) throw new Error('two');
    };
    await expect(mapConcurrently([1, 2, 3, 4, 5, 6, 7, 8], 2, work)).rejects.toThrow('two');
    expect(started.length).toBeLessThan(6);
  });

  it('returns an empty list at once', async () => {
    expect(await mapConcurrently([], 5, () => Promise.reject(new Error('never')))).toEqual([]);
  });
});
