import { Hold, RetryLater } from '../../src/retry/slot-release';
import type { RetryOptions } from '../../src/retry/retry-until';
import { Retry } from '../../src/retry/retry-until';

jest.mock('node:timers/promises', () => ({
  setTimeout: (ms: number) => {
    clock += ms;
    return Promise.resolve();
  },
}));

let clock = 0;

function retry(limitMs: number, other: Partial<RetryOptions> = {}): Retry {
  return new Retry({
    classify: (error, observedMs) =>
      error instanceof TypeError ? null : { leftMs: limitMs - observedMs, waitingFor: 'an answer' },
    timedOut: (_, observedMs) => new RangeError(`nothing for ${Math.round(observedMs / 1000)} s`),
    backoff: { firstMs: 1_000, maxMs: 8_000 },
    signal: new AbortController().signal,
    now: () => clock,
    onWaiting: () => undefined,
    ...other,
  });
}

function failing(times: number): () => Promise<string> {
  let left = times;
  return () => {
    left -= 1;
    return left >= 0 ? Promise.reject(new Error('away')) : Promise.resolve('here');
  };
}

describe('src/retry/retry-until', () => {
  beforeEach(() => {
    clock = 0;
  });

  it('repeats a call until it succeeds, with pauses growing up to the maximum', async () => {
    const pauses: number[] = [];
    const onWaiting = (): void => {
      pauses.push(clock);
    };
    expect(await retry(600_000, { onWaiting }).until(failing(6))).toBe('here');
    const lengths = pauses.slice(1).map((at, index) => at - (pauses[index] ?? 0));
    for (const [index, base] of [1_000, 2_000, 4_000, 8_000, 8_000].entries()) {
      expect(lengths[index]).toBeGreaterThanOrEqual(base);
      expect(lengths[index]).toBeLessThanOrEqual(base * 1.25);
    }
  });

  it('fails when the time limit is reached, and not a pause later', async () => {
    await expect(retry(20_000).until(failing(99))).rejects.toThrow('nothing for 20 s');
    expect(clock).toBeCloseTo(20_000);
  });

  it('throws a final error unchanged', async () => {
    await expect(retry(60_000).until(() => Promise.reject(new TypeError('no')))).rejects.toThrow(TypeError);
  });

  it('waits at least as long as Retry-After', async () => {
    const classify = () => ({ leftMs: 600_000, waitingFor: 'an answer', retryAfterMs: 30_000 });
    await retry(0, { classify }).until(failing(1));
    expect(clock).toBeCloseTo(30_000);
  });

  it('reports the observed time, and 0 after success', async () => {
    const observed: number[] = [];
    await retry(600_000, { observedMs: 5_000, onObserved: (ms) => observed.push(ms) }).until(failing(2));
    expect(Math.max(...observed)).toBeGreaterThan(7_000);
    expect(observed.at(-1)).toBe(0);
  });

  it('ends the attempt after the hold time, with a delay below the remaining time', async () => {
    const hold = new Hold({ kind: 'unreachable', holdMs: 30_000, now: () => clock });
    const error = await retry(40_000, { hold })
      .until(failing(99))
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(RetryLater);
    expect(clock).toBeGreaterThanOrEqual(30_000);
    expect(clock + (error as RetryLater).delayMs).toBeLessThanOrEqual(40_001);
  });

  it('holds its slot for each outage anew', async () => {
    const hold = new Hold({ kind: 'unreachable', holdMs: 30_000, now: () => clock });
    const value = retry(600_000, { hold });
    for (let outage = 0; outage < 5; outage += 1) expect(await value.until(failing(4))).toBe('here');
  });
});
