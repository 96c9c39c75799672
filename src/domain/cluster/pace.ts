/** When a cluster continues as new, and when its loop stops because decisions make no progress. */
import { hash32 } from '../shared/hash';
import { DAY_MS, HOUR_MS } from '../shared/time-units';

/** An idle cluster continues as new at least this often, which moves it to new workflow code. */
const LONGEST_GENERATION_MS = 7 * DAY_MS;

/** Without a spread, clusters applied together would all continue as new in the same minute. */
const SPREAD_MS = 2 * DAY_MS;

/** More decisions in a row without a sleep indicate a fault in the code. */
const MAX_DECISIONS = 1_000;

/** How long a runaway cluster pauses its loop. */
export const REST_MS = HOUR_MS;

/** Milliseconds between 5 and 7 days, derived from the name. */
export function generationMs(cluster: string): number {
  return LONGEST_GENERATION_MS - (hash32(cluster) % SPREAD_MS);
}

/**
 * Counts decisions. Passed windows are skipped one by one, and after long downtime there may be more of them than the
 * limit, so a decision that moves closer to the present counts as progress.
 */
export class DecisionCounter {
  private decisions = 0;
  private furthest = Number.NEGATIVE_INFINITY;

  /** The loop has slept or paused. */
  reset(): void {
    this.decisions = 0;
  }

  /** `after`: the time up to which windows have been processed, ISO 8601. Returns whether the loop must stop. */
  isRunaway(after: string): boolean {
    const reached = Date.parse(after);
    if (reached > this.furthest) {
      this.furthest = reached;
      this.decisions = 0;
    }
    this.decisions += 1;
    return this.decisions > MAX_DECISIONS;
  }
}
