/** How much a run may do at once and how much of it may fail, in numbers of nodes. */
import type { Amount, FailureBudget, OnExceeded, Rollout } from '../spec/types';

export interface RunLimits {
  /** Node patches at the same time; nodes that are lost are not counted. */
  concurrency: number;
  /** Nodes of the cluster out of service at the same time, for any reason. Null: no limit. */
  maxUnavailable: number | null;
  oneZoneAtATime: boolean;
  maxFailures: number;
  onExceeded: OnExceeded;
}

/**
 * The number that `amount` comes to. A share is rounded down, so that it is never more than was allowed, and is at least 1
 * unless it is 0 %.
 */
export function countOf(amount: Amount, total: number): number {
  if (typeof amount === 'number') return amount;
  const percent = Number.parseFloat(amount);
  return percent === 0 ? 0 : Math.max(1, Math.floor((total * percent) / 100));
}

/** The failures that a run of `members` members may have. */
export function failureBudget(
  { maxFailures, onExceeded }: FailureBudget,
  members: number,
): Pick<RunLimits, 'maxFailures' | 'onExceeded'> {
  return { maxFailures: countOf(maxFailures, members), onExceeded };
}

/** The limits of a run of `nodesInRun` nodes in a cluster of `nodesInCluster`, over which unavailable nodes are counted. */
export function limitsOf(rollout: Rollout, nodesInRun: number, nodesInCluster: number): RunLimits {
  const { concurrency, maxUnavailable, zones } = rollout;
  return {
    concurrency: countOf(concurrency, nodesInRun),
    maxUnavailable: maxUnavailable === undefined ? null : countOf(maxUnavailable, nodesInCluster),
    oneZoneAtATime: zones === 'one-at-a-time',
    ...failureBudget(rollout, nodesInRun),
  };
}

/** Node groups are updated one at a time; AWS replaces the nodes of each by limits of its own. */
export function nodeGroupLimits(budget: FailureBudget, groups: number): { budget: FailureBudget; limits: RunLimits } {
  const one = { concurrency: 1, maxUnavailable: null, oneZoneAtATime: false };
  return { budget, limits: { ...one, ...failureBudget(budget, groups) } };
}

/** The limits of a run after those of its spec have changed from `before` to `after`: only what allows less counts. */
export function stricter(limits: RunLimits, before: RunLimits, after: RunLimits): RunLimits {
  const least = (of: 'concurrency' | 'maxFailures'): number =>
    after[of] < before[of] ? Math.min(limits[of], after[of]) : limits[of];
  const unavailable = [limits.maxUnavailable, after.maxUnavailable].filter((one) => one !== null);
  const isLess = (after.maxUnavailable ?? Infinity) < (before.maxUnavailable ?? Infinity);
  return {
    concurrency: least('concurrency'),
    maxFailures: least('maxFailures'),
    maxUnavailable: isLess ? Math.min(...unavailable) : limits.maxUnavailable,
    oneZoneAtATime: limits.oneZoneAtATime || after.oneZoneAtATime,
    onExceeded: limits.onExceeded,
  };
}
