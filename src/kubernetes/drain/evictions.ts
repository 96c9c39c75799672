/** Evictions: the requests, and when a refused one is repeated. */
import type { BudgetView } from '../../domain/kubernetes/disruption-budgets';
import { allowsEviction, budgetTitle, budgetsOf, whyClosedFor } from '../../domain/kubernetes/disruption-budgets';
import { parseDuration } from '../../domain/shared/duration';
import type { DrainPolicy } from '../../domain/kubernetes/types';
import type { PodView } from '../../domain/kubernetes/pod-filter';
import { plainText } from '../../domain/shared/text';
import type { EvictionAnswer } from '../client/api';
import type { KubeSession } from '../session';
import { mapConcurrently } from '../../domain/shared/map-concurrently';
import { defined } from '../../domain/shared/defined';

/** As kubectl. */
const RETRY_MS = 5_000;

/** `nextAtMs` of a pod whose budget was seen to allow its eviction. */
const ALLOWED_NOW = 0;

/** A pod that is said to be gone is looked for in the next list. */
const GONE_RETRY_MS = 1_000;

/** Enough to empty a full node in seconds, few enough not to be throttled for it. */
const IN_FLIGHT = 25;

const MAX_WHY = 250;

/** A pod that has to leave the node. */
export interface PodEviction {
  pod: PodView;
  do: 'evict' | 'wait-completed';
  order: number;
  /** `due`: to be asked for at `nextAtMs`. `held`: so too, and a budget was the reason. `leaving`: on its way out. */
  state: 'due' | 'held' | 'leaving';
  nextAtMs: number;
  /** When it was asked for last; 0: not yet. */
  askedAtMs: number;
  /** The budget that was found to hold it back; null: none, or it was not looked for yet. */
  heldBy: string | null;
  /** Why it is still there, one clause. */
  why: string;
  /** Since when it has been so, ISO 8601. */
  since: string;
}

/**
 * Of the pods that are due, one for each budget that holds several back, in turn: its answer is that to all of them, but
 * an operator that waits to be asked for a pod hears of each. Those that the budget allows by now are all in it.
 */
export function oncePerBudget(due: readonly PodEviction[], now: number): PodEviction[] {
  const asked = new Set<string>();
  const inTurn = due.toSorted((a, b) => a.askedAtMs - b.askedAtMs);
  return inTurn.filter((one) => {
    if (one.state !== 'held' || one.heldBy === null || one.nextAtMs === ALLOWED_NOW) return true;
    const isFirst = !asked.has(one.heldBy);
    asked.add(one.heldBy);
    if (!isFirst) one.nextAtMs = now + RETRY_MS;
    return isFirst;
  });
}

/** Evicts what is due. Returns the moment before which the server wants to be asked for nothing more. */
export async function evictDue(
  session: KubeSession,
  policy: DrainPolicy,
  due: readonly PodEviction[],
  untilMs: number,
): Promise<number> {
  const options = defined({
    gracePeriodSeconds:
      policy.gracePeriod === undefined ? undefined : Math.round(parseDuration(policy.gracePeriod) / 1000),
  });
  let busyUntilMs = 0;
  await mapConcurrently(due, IN_FLIGHT, async (one) => {
    if (session.now() >= untilMs || session.now() < busyUntilMs) return;
    const answer = await session.change((api) =>
      policy.disableEviction ? api.delete(one.pod, options) : api.evict(one.pod, options),
    );
    if (answer.state === 'busy') busyUntilMs = session.now() + answer.retryAfterMs;
    const before = one.state;
    one.askedAtMs = session.now();
    note(one, answer, session.now());
    if (one.state !== before) one.since = new Date(session.now()).toISOString();
  });
  return busyUntilMs;
}

/** Writes down what the server said about a pod. */
function note(one: PodEviction, answer: EvictionAnswer, now: number): void {
  const { namespace } = one.pod;
  switch (answer.state) {
    case 'accepted':
      one.state = 'leaving';
      one.why = 'it is terminating';
      return;
    case 'gone':
      return again(one, now + GONE_RETRY_MS, 'the server says that it is gone');
    case 'budget': {
      // Found out before, by name and numbers.
      const known = one.state === 'held' && one.heldBy !== null ? one.why : null;
      one.state = 'held';
      return again(one, now + RETRY_MS, known ?? `a budget of namespace ${namespace} allows no disruption`);
    }
    case 'not-observed':
      one.state = 'held';
      return again(one, now + answer.retryAfterMs, `its budget in namespace ${namespace} was changed just now`);
    case 'busy':
      return again(one, now + answer.retryAfterMs, 'the API server is busy');
    case 'two-budgets':
      one.state = 'held';
      return again(one, now + RETRY_MS, `two budgets of namespace ${namespace} select it; delete all but one`);
    case 'namespace-terminating':
      if (one.pod.deletionAtMs !== null) one.state = 'leaving';
      return again(one, now + RETRY_MS, `namespace ${namespace} is terminating, which removes its pods`);
    case 'denied':
      return again(one, now + RETRY_MS, `the server does not allow it: ${answer.message}`);
  }
}

function again(one: PodEviction, atMs: number, why: string): void {
  one.nextAtMs = atMs;
  one.why = plainText(why, MAX_WHY);
}

/** Names the budgets that hold pods back, and makes those due whose budget allows some by now. */
export function refreshBudgets(held: readonly PodEviction[], budgets: readonly BudgetView[]): void {
  const allowed = new Map<BudgetView, number>();
  for (const one of held) {
    const own = budgetsOf(one.pod, budgets);
    one.why = whyHeld(own) ?? one.why;
    const [budget] = own;
    one.heldBy = budget === undefined ? null : `${budget.namespace}/${budget.name}`;
    if (own.length > 1) continue;
    // No budget any more: nothing holds it back.
    if (budget === undefined) one.nextAtMs = ALLOWED_NOW;
    else if (allowsEviction(budget, one.pod)) {
      const left = allowed.get(budget) ?? Math.max(1, budget.status?.disruptionsAllowed ?? 1);
      if (left > 0) one.nextAtMs = ALLOWED_NOW;
      allowed.set(budget, left - 1);
    }
  }
}

function whyHeld(own: readonly BudgetView[]): string | null {
  const [budget] = own;
  if (budget === undefined) return null;
  if (own.length > 1) {
    const names = own.map(({ name }) => name).join(' and ');
    return plainText(`two budgets select it (${names}); delete all but one`, MAX_WHY);
  }
  const { status } = budget;
  let reason = whyClosedFor(budget);
  if (reason === null) {
    reason =
      status === null
        ? 'its controller has not processed it yet'
        : `${status.currentHealthy} of ${status.desiredHealthy} needed are healthy${
            status.currentHealthy > status.desiredHealthy ? ', and the last evictions are still being counted' : ''
          }`;
  }
  return plainText(`${budgetTitle(budget)} allows no disruption (${reason})`, MAX_WHY);
}
