/** How long one history of a cluster lasts, and when its loop has to stop because it gets nowhere. */
import { hash32 } from '../shared/hash';
import { DAY_MS, HOUR_MS } from '../shared/time-units';

/** A quiet cluster still starts a fresh history this often, which is how it reaches new workflow code. */
const LONGEST_GENERATION_MS = 7 * DAY_MS;

/** Clusters that were applied together would otherwise all start one in the same minute. */
const SPREAD_MS = 2 * DAY_MS;

/** More decisions than this, one after the other and without a sleep, are a fault of the code. */
const MAX_DECISIONS = 1_000;

/** How long such a cluster does nothing. */
export const REST_MS = HOUR_MS;

/** Milliseconds; another length for every name, between 5 and 7 days. */
export function generationMs(cluster: string): number {
  return LONGEST_GENERATION_MS - (hash32(cluster) % SPREAD_MS);
}

/**
 * Counts decisions. Windows that have passed are dealt with one by one, and after a long time away there may be more of
 * them than that, so a decision that comes nearer to the present counts as progress.
 */
export class DecisionCounter {
  private decisions = 0;
  private furthest = Number.NEGATIVE_INFINITY;

  /** The cluster has slept, or rested. */
  reset(): void {
    this.decisions = 0;
  }

  /** `after`: up to when windows have been dealt with, ISO 8601. Returns whether it is time to stop. */
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
