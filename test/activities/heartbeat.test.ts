import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import type { Heartbeater } from '../../src/activities/heartbeat';
import { updateProgress, withHeartbeat } from '../../src/activities/heartbeat';

function environment(info: object = {}) {
  const value = new MockActivityEnvironment(info, { logger: new DefaultLogger('ERROR') });
  const heartbeats: unknown[] = [];
  value.on('heartbeat', (details) => heartbeats.push(details));
  return {
    value,
    heartbeats,
    run: <R>(body: (heartbeater: Heartbeater) => Promise<R>) =>
      value.run(() => withHeartbeat('apply', body, { isLookSilent: true })),
  };
}

describe('src/activities/heartbeat', () => {
  it('sends three heartheartbeats per timeout while the activity body is silent', async () => {
    const { run, heartbeats } = environment({ heartbeatTimeoutMs: 600 });
    jest.useFakeTimers();
    try {
      await run(() => jest.advanceTimersByTimeAsync(900));
    } finally {
      jest.useRealTimers();
    }
    // At 0, 200, 400, 600 and 800 ms, and the final details.
    expect(heartbeats.length).toBe(6);
  });

  it('sends the last details when the body fails, so that the next attempt starts from them', async () => {
    const { run, heartbeats } = environment();
    const failing = run(({ details }) => {
      details.unreachableMs = 5_000;
      return Promise.reject(new Error('no'));
    });
    await expect(failing).rejects.toThrow('no');
    expect(heartbeats.at(-1)).toMatchObject({ step: 'apply', unreachableMs: 5_000 });
  });

  it.each([[undefined], [null], ['text'], [{ unreachableMs: 'x' }], [{ unreachableMs: -1 }]])(
    'starts from zero when the heartbeat details of the previous attempt are %j',
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
  ])('keeps the drain progress of the previous attempt from the first heartbeat on: %j', async (drained, kept) => {
    const { run, heartbeats } = environment({ heartbeatDetails: { step: 'drain', drained } });
    await run(() => Promise.resolve());
    expect((heartbeats[0] as { drained?: unknown }).drained).toEqual(kept);
  });

  it('rejects with the cancellation even when a wait inside the body rejects first', async () => {
    const { run, value } = environment();
    const running = run(
      ({ signal }) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted')))),
    );
    setTimeout(() => value.cancel(), 20);
    await expect(running).rejects.toMatchObject({ name: 'CancelledFailure' });
  });

  describe('in an activity that only waits', () => {
    const FOR_EVER = { retryPolicy: { maximumAttempts: 0 }, scheduleToCloseTimeoutMs: 0 };
    const HANDED_BACK = { kind: 'unreachable', observedMs: 600_000, maxDelayMs: 300_000, atMs: Date.now(), attempt: 7 };
    const LEFT = {
      step: 'apply',
      unreachableMs: 600_000,
      elapsedMs: 700_000,
      waitingFor: 'the node to answer: refused',
      waitingSince: '2026-11-26T00:00:00.000Z',
      failures: 0,
    };

    function waitOnce({ hold, details }: Heartbeater): Promise<never> {
      const one = hold('unreachable');
      details.unreachableMs = 600_000;
      one.handBack({ waitingFor: 'the node to answer', observedMs: 600_000, leftMs: 3_600_000 });
      throw new Error('was to be handed back');
    }

    it('records how long the attempt has waited, and until when', async () => {
      const { run, heartbeats } = environment({ ...FOR_EVER, attempt: 7 });
      await expect(run(waitOnce)).rejects.toMatchObject({ name: 'RetryLater' });
      expect(heartbeats.at(-1)).toMatchObject({
        unreachableMs: 600_000,
        handedBack: { kind: 'unreachable', observedMs: 600_000, attempt: 7 },
      });
    });

    it('resumes the wait including the pauses between attempts, and sends nothing unless the progress changed', async () => {
      jest.useFakeTimers();
      try {
        const atMs = Date.now() - 200_000;
        const heartbeatDetails = { ...LEFT, handedBack: { ...HANDED_BACK, atMs } };
        const { run, heartbeats } = environment({ ...FOR_EVER, attempt: 8, heartbeatDetails });
        const seen = await run(async ({ details }) => {
          await jest.advanceTimersByTimeAsync(20_000);
          const again = { waitingFor: LEFT.waitingFor };
          expect(updateProgress(details, again, Date.now())).toBe(false);
          expect(heartbeats).toEqual([]);
          return { ...details };
        });
        expect(seen).toMatchObject({
          unreachableMs: 800_000,
          waitingFor: LEFT.waitingFor,
          waitingSince: LEFT.waitingSince,
        });
        expect(heartbeats).toHaveLength(1);
        expect(heartbeats[0]).not.toHaveProperty('handedBack');
      } finally {
        jest.useRealTimers();
      }
    });

    it('does not count the hours in which no worker took the next attempt', async () => {
      const atMs = Date.now() - 8 * 3_600_000;
      const { run } = environment({
        ...FOR_EVER,
        attempt: 8,
        heartbeatDetails: { ...LEFT, handedBack: { ...HANDED_BACK, atMs } },
      });
      expect(await run(({ details }) => Promise.resolve(details.unreachableMs))).toBe(800_000);
    });

    it('sends a heartbeat at once in an activity that must notice the end of its workflow', async () => {
      const heartbeatDetails = { ...LEFT, handedBack: { ...HANDED_BACK, atMs: Date.now() } };
      const { value, heartbeats } = environment({ ...FOR_EVER, attempt: 8, heartbeatDetails });
      await value.run(() =>
        withHeartbeat('uncordon', () => {
          expect(heartbeats).toHaveLength(1);
          return Promise.resolve();
        }),
      );
    });

    it('sends heartheartbeats while a single poll takes long', async () => {
      jest.useFakeTimers();
      try {
        const heartbeatDetails = { ...LEFT, handedBack: { ...HANDED_BACK, atMs: Date.now() } };
        const { run, heartbeats } = environment({ ...FOR_EVER, attempt: 8, heartbeatDetails });
        await run(async () => {
          await jest.advanceTimersByTimeAsync(60_000);
          expect(heartbeats.length).toBeGreaterThan(2);
        });
      } finally {
        jest.useRealTimers();
      }
    });

    it('waits in place when attempts are limited, or when the timeout would end the wait before the next attempt', async () => {
      for (const info of [
        { retryPolicy: { maximumAttempts: 2 } },
        { ...FOR_EVER, scheduledTimestampMs: Date.now(), scheduleToCloseTimeoutMs: 60_000 },
      ]) {
        await expect(environment(info).run(waitOnce)).rejects.toThrow('was to be handed back');
      }
    });
  });
});
