import { Hold, RetryLater, longestDelayMs, nextDelayMs, observedSince } from '../../src/retry/slot-release';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** An endless wait, poll by poll, with the attempts run by the server. `lookMs`: duration of one poll. */
function waitFor(totalMs: number, lookMs: number, maxDelayMs?: number) {
  let clock = 0;
  let attempts = 0;
  let longestGapMs = 0;
  let heldMs = 0;
  const gaps: { atMs: number; gapMs: number }[] = [];
  while (clock < totalMs) {
    attempts += 1;
    const begunAt = clock;
    const hold = new Hold({ kind: 'unreachable', holdMs: attempts === 1 ? 30_000 : 15_000, now: () => clock });
    let delayMs: number | null = null;
    while (delayMs === null) {
      clock += lookMs;
      try {
        const pause = { waitingFor: 'the node', observedMs: clock, leftMs: totalMs - clock };
        hold.check(maxDelayMs === undefined ? pause : { ...pause, maxDelayMs });
        clock += Math.max(1_000, 5_000 - lookMs);
      } catch (error) {
        if (!(error instanceof RetryLater)) throw error;
        ({ delayMs } = error);
      }
    }
    heldMs += clock - begunAt;
    gaps.push({ atMs: clock, gapMs: delayMs });
    longestGapMs = Math.max(longestGapMs, delayMs);
    clock += delayMs;
  }
  return { attempts, longestGapMs, heldMs, gaps };
}

describe('src/retry/slot-release', () => {
  it.each([0, 1_000, 3_000, 10_000])(
    'costs fewer than 245 attempts in 24 h, with polls of %i ms, and notices the end within 6 min at any time',
    (lookMs) => {
      const { attempts, longestGapMs, heldMs, gaps } = waitFor(24 * HOUR_MS, lookMs);
      // Besides the attempts: a few heartbeats before the wait is known and when its notice is given.
      expect(attempts).toBeLessThan(245);
      expect(longestGapMs).toBeLessThanOrEqual(6 * MINUTE_MS);
      expect(heldMs / (24 * HOUR_MS)).toBeLessThan(0.1);
      for (const { atMs, gapMs } of gaps) if (atMs < 3 * MINUTE_MS) expect(gapMs).toBeLessThanOrEqual(15_000);
    },
  );

  it('never exceeds the requested delay, and spreads waits that began together', () => {
    for (let observedMs = 0; observedMs < HOUR_MS; observedMs += 10_000) {
      expect(nextDelayMs(observedMs)).toBeLessThanOrEqual(longestDelayMs(observedMs));
      expect(nextDelayMs(observedMs, MINUTE_MS)).toBeLessThanOrEqual(MINUTE_MS);
    }
    expect(new Set(Array.from({ length: 50 }, () => nextDelayMs(5 * MINUTE_MS))).size).toBeGreaterThan(40);
  });

  it('counts the pauses and polls between two attempts, and nothing beyond', () => {
    const left = { kind: 'unreachable', observedMs: HOUR_MS, maxDelayMs: 5 * MINUTE_MS, atMs: 0, attempt: 20 };
    // The next attempt was due after 5 min and began after 5 min, or hours later when no worker was running.
    expect(observedSince(left, 21, 5 * MINUTE_MS)).toBe(5 * MINUTE_MS);
    expect(observedSince(left, 21, 9 * HOUR_MS)).toBe(5 * MINUTE_MS);
    // Ten attempts later, with polls of 15 s each.
    expect(observedSince(left, 30, 10 * 5 * MINUTE_MS + 9 * 15_000)).toBe(10 * 5 * MINUTE_MS + 9 * 15_000);
    // A clock that was set back.
    expect(observedSince(left, 21, -HOUR_MS)).toBe(0);
  });
});
