import { ApiError } from '../../src/kubernetes/client/api';
import type { KubernetesApi } from '../../src/kubernetes/client/api';
import type { SessionOptions } from '../../src/kubernetes/session';
import { createSession } from '../../src/kubernetes/session';

let clock = 0;
const sleepers: { at: number; wake: () => void }[] = [];

jest.mock('node:timers/promises', () => ({
  setTimeout: (ms: number) =>
    new Promise<void>((wake) => {
      sleepers.push({ at: clock + ms, wake });
    }),
}));

/** Advances the clock from pause to pause until `work` is done. */
async function run<T>(work: Promise<T>): Promise<T> {
  let over = false;
  const end = (): void => {
    over = true;
  };
  work.then(end, end);
  for (;;) {
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    if (over) return work;
    sleepers.sort((a, b) => a.at - b.at);
    const next = sleepers.shift();
    clock = Math.max(clock, next?.at ?? clock);
    next?.wake();
  }
}

function away(): ApiError {
  return new ApiError('unavailable', { message: 'could not read the workload: the API server is unreachable' });
}

function session(limitMs: number, other: Partial<SessionOptions> = {}) {
  const observed: number[] = [];
  const value = createSession({
    api: {} as KubernetesApi,
    target: { cluster: 'demo', node: 'w-1', nodeName: 'w-1' },
    retryPolicy: { limitMs, transient: ['unavailable'] },
    signal: new AbortController().signal,
    now: () => clock,
    show: () => undefined,
    onObserved: (ms) => observed.push(ms),
    ...other,
  });
  return { value, observed };
}

describe('src/kubernetes/session', () => {
  beforeEach(() => {
    clock = 0;
    sleepers.length = 0;
  });

  it('gives ten concurrent calls the whole timeout each, and not a tenth', async () => {
    const { value } = session(600_000);
    const backAt = 540_000;
    const ask = (): Promise<string> => (clock < backAt ? Promise.reject(away()) : Promise.resolve('here'));
    const calls = Array.from({ length: 10 }, () => value.reach(ask));
    expect(await run(Promise.all(calls))).toEqual(Array(10).fill('here'));
  });

  it('fails ten concurrent calls after ten real minutes', async () => {
    const { value } = session(600_000);
    const calls = Array.from({ length: 10 }, () => value.reach(() => Promise.reject(away())));
    const results = await run(Promise.allSettled(calls));
    expect(clock).toBeGreaterThanOrEqual(600_000);
    expect(clock).toBeLessThan(601_000);
    for (const result of results) {
      expect(result).toMatchObject({
        status: 'rejected',
        reason: { message: expect.stringContaining('10 min') as string },
      });
    }
  });

  it('does not count the answer of one call for another that gets none', async () => {
    const { value } = session(60_000);
    const silent = value.reach(() => Promise.reject(away()));
    const talk = async (): Promise<void> => {
      while (clock < 70_000) {
        await value.reach(() => Promise.resolve('here'));
        await value.pause(1_000);
      }
    };
    const [result] = await run(Promise.allSettled([silent, talk()]));
    expect(result).toMatchObject({ status: 'rejected', reason: { type: 'KubernetesApi' } });
  });

  it('hands the longest wait over to the next attempt, whose calls continue the count until the first answer', async () => {
    const first = session(600_000);
    const calls = Array.from({ length: 3 }, () =>
      first.value.reach(() => (clock < 60_000 ? Promise.reject(away()) : Promise.reject(new Error('the worker ends')))),
    );
    await run(Promise.allSettled(calls));
    const carried = first.observed.at(-1) ?? 0;
    expect(carried).toBeGreaterThan(50_000);
    expect(carried).toBeLessThan(75_000);

    const second = session(120_000, { observedMs: carried });
    const started = clock;
    await run(second.value.reach(() => Promise.reject(away())).catch(() => undefined));
    expect(clock - started).toBeCloseTo(120_000 - carried, -3);
  });

  it('counts unaccepted changes over attempts, whatever reads succeed in between', async () => {
    let observedMs = 0;
    const attempt = () => {
      const onObserved = (ms: number): void => {
        observedMs = ms;
      };
      return session(120_000, { changes: { observedMs, onObserved } });
    };
    for (const expectedMs of [60_000, 120_000]) {
      const { value, observed } = attempt();
      await run(value.reach(() => Promise.resolve('here')));
      const refused = () => Promise.reject(clock < expectedMs ? away() : new Error('the worker ends'));
      await run(value.change(refused).catch(() => undefined));
      expect(observedMs).toBeGreaterThan(expectedMs - 10_000);
      expect(observed.at(-1)).toBe(0);
    }
    const { value } = attempt();
    await expect(run(value.change(() => Promise.reject(away())))).rejects.toMatchObject({ type: 'KubernetesApi' });
    expect(clock).toBeLessThan(150_000);
    await run(value.change(() => Promise.resolve('patched')));
    expect(observedMs).toBe(0);
  });
});
