import { OspatchError } from '../../src/domain/shared/errors';
import { ReachabilityTracker } from '../../src/node/reachability';

jest.mock('node:timers/promises', () => ({
  setTimeout: (ms: number) => {
    clock += ms;
    return Promise.resolve();
  },
}));

let clock = 0;

function reachability(limitMs: number, other: Partial<ConstructorParameters<typeof ReachabilityTracker>[0]> = {}) {
  const waits: string[] = [];
  const observed: number[] = [];
  const value = new ReachabilityTracker({
    node: 'w-1',
    limitMs,
    giveUpAs: 'Unreachable',
    signal: new AbortController().signal,
    now: () => clock,
    onWaiting: (text) => waits.push(text),
    onObserved: (ms) => observed.push(ms),
    ...other,
  });
  return { value, waits, observed };
}

function failAfter(tookMs = 0): () => Promise<never> {
  return () => {
    clock += tookMs;
    return Promise.reject(new OspatchError({ type: 'Unreachable', message: 'w-1 cannot be reached: refused' }));
  };
}

describe('src/node/reachability', () => {
  it('retries while the node is unreachable, and resets the outage on an answer', async () => {
    const { value, waits, observed } = reachability(60_000);
    const attempt = jest
      .fn()
      .mockImplementationOnce(failAfter(10))
      .mockImplementationOnce(failAfter(10))
      .mockResolvedValue('here');
    expect(await value.whenReachable(attempt)).toBe('here');
    expect(attempt).toHaveBeenCalledTimes(3);
    expect(waits).toEqual(Array(2).fill('the node to answer: w-1 cannot be reached: refused'));
    expect(observed.at(-1)).toBe(0);
  });

  it('gives notice of a long outage when requested, including the time observed before', async () => {
    const { value } = reachability(600_000, { noticeMs: 60_000, observedMs: 50_000 });
    await expect(value.whenReachable(failAfter(10_000))).rejects.toMatchObject({
      name: 'UnreachableNotice',
      observedMs: 60_000,
      message: 'w-1 cannot be reached: refused',
    });
  });

  it('fails once the observed time exceeds the limit, with the last reason', async () => {
    const { value } = reachability(600_000);
    const started = clock;
    await expect(value.whenReachable(failAfter(10_000))).rejects.toMatchObject({
      type: 'Unreachable',
      message: 'w-1 was unreachable for 10 min: w-1 cannot be reached: refused',
    });
    expect(clock - started).toBeGreaterThanOrEqual(600_000);
    expect(clock - started).toBeLessThan(625_000);
  });

  it('fails as UnreachableAfterChange after a change was begun', async () => {
    await expect(
      reachability(1_000, { giveUpAs: 'UnreachableAfterChange' }).value.whenReachable(failAfter()),
    ).rejects.toMatchObject({
      type: 'UnreachableAfterChange',
    });
  });

  it('continues the observed time of an earlier attempt, so that worker restarts do not reset the count', async () => {
    const started = clock;
    await expect(
      reachability(600_000, { observedMs: 590_000 }).value.whenReachable(failAfter(1_000)),
    ).rejects.toMatchObject({
      type: 'Unreachable',
    });
    expect(clock - started).toBeLessThan(20_000);
  });

  it('does not count the time while the machine was suspended', async () => {
    const { value, observed } = reachability(600_000);
    await value.attempt(failAfter(8 * 3600_000));
    expect(observed.at(-1)).toBe(120_000);
  });

  it('rethrows every other error at once', async () => {
    const denied = new OspatchError({ type: 'SudoDenied', message: 'no' });
    await expect(reachability(60_000).value.whenReachable(() => Promise.reject(denied))).rejects.toBe(denied);
  });

  it('rejects with the abort reason when aborted during a call', async () => {
    const abort = new AbortController();
    const { value } = reachability(60_000, { signal: abort.signal });
    const attempt = () => {
      abort.abort(new Error('cancelled'));
      return failAfter()();
    };
    await expect(value.whenReachable(attempt)).rejects.toThrow('cancelled');
  });

  it('gives concurrent calls the whole limit each', async () => {
    const { value } = reachability(600_000);
    const results = await Promise.allSettled([1, 2, 3].map(() => value.whenReachable(failAfter())));
    for (const result of results) {
      expect(result).toMatchObject({ status: 'rejected', reason: { type: 'Unreachable' } });
    }
  });
});
