/** The cost of a node that is unreachable for a day, counted as Temporal Cloud does: attempts, and heartbeats that reach the server. */
import type { ApplicationFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { createNodeActivities } from '../../src/activities/node';
import { WAITING } from '../../src/contract/waiting';
import { isUnreachable } from '../../src/domain/node/report';
import { END_WATCH_MS, HEARTBEAT_INTERVAL_MS, HEARTBEAT_TIMEOUT_MS } from '../../src/domain/node/time-limits';
import { FakeTransport, TARGET, unreachableNode } from '../node/fake-node';

jest.mock('node:timers/promises', () => ({
  setTimeout: (ms: number) =>
    new Promise<void>((resolve) => {
      setTimeout(resolve, ms);
    }),
}));

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

interface Call {
  attempts: number;
  heartbeats: number;
  /** Longest time without a connection attempt. */
  longestGapMs: number;
  end: unknown;
}

/** Node patch to run and run to cluster when the node becomes unreachable, and both again at the end. */
const SIGNALS = 4;

/** Attempts at waiting for the end of the node patch in that day; each suspension starts one in the cluster and one in the next run. */
function waitsForEnd(suspensions: number): number {
  return suspensions === 0 ? 0 : DAY_MS / END_WATCH_MS + 2 * suspensions;
}

/** Runs an activity the way server and worker do, attempt by attempt, until the final result. */
async function run(watch: { observedMs?: number; noticeAfterMs?: number }): Promise<Call> {
  const transport = new FakeTransport([unreachableNode()]);
  const activities = createNodeActivities({
    pool: {
      transport: () => transport,
      ownTransport: () => transport,
      probeHostKey: () => Promise.resolve(),
      close: () => undefined,
    },
    hookDir: null,
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
  });
  const input = {
    ...{ target: TARGET, token: '0123456789abcdef', attempt: 1, planDigest: 'a'.repeat(64), planned: 1 },
    ...{ lostTimeoutMs: DAY_MS, ...watch },
  };
  const call: Call = { attempts: 0, heartbeats: 0, longestGapMs: 0, end: undefined };
  let heartbeatDetails: unknown;
  for (;;) {
    call.attempts += 1;
    const { attempts: attempt } = call;
    const forEver = { retryPolicy: { maximumAttempts: 0 }, scheduleToCloseTimeoutMs: 0 };
    const environment = new MockActivityEnvironment(
      { attempt, heartbeatDetails, heartbeatTimeoutMs: HEARTBEAT_TIMEOUT_MS, ...forEver },
      { logger: new DefaultLogger('ERROR') },
    );
    let sentAt = -Infinity;
    environment.on('heartbeat', (details) => {
      // The SDK sends one heartbeat per interval; held-back details travel with the failure of the attempt.
      if (Date.now() - sentAt >= HEARTBEAT_INTERVAL_MS) {
        sentAt = Date.now();
        call.heartbeats += 1;
      }
      heartbeatDetails = details;
    });
    let isOver = false;
    const work = environment
      .run(activities.apply, input)
      .then((value) => ({ value }))
      .catch((error: unknown) => ({ error: error as ApplicationFailure }))
      .finally(() => {
        isOver = true;
      });
    while (!isOver) await jest.advanceTimersByTimeAsync(1_000);
    const outcome = await work;
    if ('value' in outcome || outcome.error.type !== WAITING) return { ...call, end: outcome };
    const delayMs = Number(outcome.error.nextRetryDelay);
    call.longestGapMs = Math.max(call.longestGapMs, delayMs);
    await jest.advanceTimersByTimeAsync(delayMs);
  }
}

describe('src/activities: a node that is unreachable for a day', () => {
  it('costs fewer than 300 actions, is polled at least every 6 min, and fails after that day', async () => {
    jest.useFakeTimers();
    try {
      const begunAt = Date.now();
      const first = await run({ noticeAfterMs: 30 * MINUTE_MS });
      expect(first.end).toMatchObject({ value: { state: 'unreachable' } });
      const { value } = first.end as { value: object };
      if (!isUnreachable(value)) throw new Error('no notice was given');
      expect(value.observedMs / MINUTE_MS).toBeCloseTo(30, 0);
      const second = await run({ observedMs: value.observedMs });
      expect(second.end).toMatchObject({
        error: { type: 'UnreachableAfterChange', message: expect.stringContaining('for 1440 min') as string },
      });
      const passedMs = Date.now() - begunAt;
      expect(Math.abs(passedMs - DAY_MS)).toBeLessThan(15 * MINUTE_MS);
      const ofNodePatch = first.attempts + first.heartbeats + second.attempts + second.heartbeats;
      // The limit also holds when the run is paused and resumed repeatedly, each time leaving the node to another run workflow.
      for (let suspensions = 0; suspensions <= 6; suspensions += 1) {
        expect(ofNodePatch + SIGNALS + waitsForEnd(suspensions)).toBeLessThan(300);
      }
      expect(Math.max(first.longestGapMs, second.longestGapMs)).toBeLessThanOrEqual(6 * MINUTE_MS);
    } finally {
      jest.useRealTimers();
    }
  });
});
