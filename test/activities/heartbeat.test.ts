import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import type { Pulse } from '../../src/activities/heartbeat';
import { withHeartbeat } from '../../src/activities/heartbeat';

function environment(info: object = {}) {
  const value = new MockActivityEnvironment(info, { logger: new DefaultLogger('ERROR') });
  const beats: unknown[] = [];
  value.on('heartbeat', (details) => beats.push(details));
  return {
    value,
    beats,
    run: <R>(body: (pulse: Pulse) => Promise<R>) => value.run(() => withHeartbeat('apply', body)),
  };
}

describe('src/activities/heartbeat', () => {
  it('beats three times per timeout for as long as the body is silent', async () => {
    const { run, beats } = environment({ heartbeatTimeoutMs: 600 });
    jest.useFakeTimers();
    try {
      await run(() => jest.advanceTimersByTimeAsync(900));
    } finally {
      jest.useRealTimers();
    }
    // At 0, 200, 400, 600 and 800 ms, and the last details at the end.
    expect(beats.length).toBe(6);
  });

  it('tells the last details when the body fails, so that the next attempt knows them', async () => {
    const { run, beats } = environment();
    const failing = run(({ details }) => {
      details.unreachableMs = 5_000;
      return Promise.reject(new Error('no'));
    });
    await expect(failing).rejects.toThrow('no');
    expect(beats.at(-1)).toEqual({ step: 'apply', unreachableMs: 5_000 });
  });

  it.each([[undefined], [null], ['text'], [{ unreachableMs: 'x' }], [{ unreachableMs: -1 }]])(
    'starts from zero when an earlier attempt said %j',
    async (heartbeatDetails) => {
      const { run } = environment({ heartbeatDetails });
      expect(await run(({ details }) => Promise.resolve(details.unreachableMs))).toBe(0);
    },
  );

  it.each([
    [
      { total: 3, evicted: 1, workloads: [] },
      { total: 3, evicted: 1, workloads: [] },
    ],
    [
      { total: 3, evicted: 1 },
      { total: 3, evicted: 1, workloads: [] },
    ],
    [{ total: 'x' }, undefined],
    [null, undefined],
  ])('keeps from its first beat on what an earlier attempt had drained, %j', async (drained, kept) => {
    const { run, beats } = environment({ heartbeatDetails: { step: 'drain', drained } });
    await run(() => Promise.resolve());
    expect((beats[0] as { drained?: unknown }).drained).toEqual(kept);
  });

  it('rejects with the cancellation even when a wait inside the body rejects first', async () => {
    const { run, value } = environment();
    const running = run(
      ({ signal }) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted')))),
    );
    setTimeout(() => value.cancel(), 20);
    await expect(running).rejects.toMatchObject({ name: 'CancelledFailure' });
  });
});
