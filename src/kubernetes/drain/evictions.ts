/** Eviction requests and their retries. */
import type { BudgetView } from '../../domain/kubernetes/disruption-budgets';
import { allowsEviction, budgetTitle, budgetsOf, specBlocker } from '../../domain/kubernetes/disruption-budgets';
import { parseDuration } from '../../domain/shared/duration';
import type { DrainPolicy } from '../../domain/kubernetes/types';
import type { PodView } from '../../domain/kubernetes/pod-filter';
import { plainText } from '../../domain/shared/text';
import type { EvictionAnswer } from '../client/api';
import type { KubeSession } from '../session';
import { mapConcurrently } from '../../domain/shared/map-concurrently';
import { defined } from '../../domain/shared/defined';

/** As in kubectl. */
const RETRY_MS = 5_000;

/** `nextAtMs` of a pod whose budget now allows its eviction. */
const ALLOWED_NOW = 0;

/** A pod reported as gone is expected to be missing from the next list. */
const GONE_RETRY_MS = 1_000;

/** Enough to drain a full node in seconds without being throttled. */
const IN_FLIGHT = 25;

const MAX_WHY = 250;

/** A pod that has to leave the node. */
export interface PodEviction {
  pod: PodView;
  do: 'evict' | 'wait-completed';
  order: number;
  /**
   * `due`: eviction to be requested at `nextAtMs`. `held`: the same after a rejection by a budget. `leaving`:
   * terminating.
   */
  state: 'due' | 'held' | 'leaving';
  nextAtMs: number;
  /** Time of the last request; 0: none yet. */
  askedAtMs: number;
  /** The budget that blocks the pod; null: none, or not determined yet. */
  heldBy: string | null;
  /** Why the pod is still on the node, one clause. */
  why: string;
  /** Start of that state, ISO 8601. */
  since: string;
}

/**
 * Of the due pods, one per budget that blocks several of them, in turn: the answer is the same for all, but operators
 * that react to eviction requests get one for each pod. Pods that their budget allows now are all included.
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

/** Requests the due evictions. Returns the time before which the server wants no further requests. */
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

/** Records the server's answer about a pod. */
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
      // Determined before, with name and counts.
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

/** Determines the budgets that block pods, and makes pods due whose budget allows evictions now. */
export function refreshBudgets(held: readonly PodEviction[], budgets: readonly BudgetView[]): void {
  const allowed = new Map<BudgetView, number>();
  for (const one of held) {
    const own = budgetsOf(one.pod, budgets);
    one.why = heldReason(own) ?? one.why;
    const [budget] = own;
    one.heldBy = budget === undefined ? null : `${budget.namespace}/${budget.name}`;
    if (own.length > 1) continue;
    // The budget no longer exists, so nothing blocks the pod.
    if (budget === undefined) one.nextAtMs = ALLOWED_NOW;
    else if (allowsEviction(budget, one.pod)) {
      const left = allowed.get(budget) ?? Math.max(1, budget.status?.disruptionsAllowed ?? 1);
      if (left > 0) one.nextAtMs = ALLOWED_NOW;
      allowed.set(budget, left - 1);
    }
  }
}

function heldReason(own: readonly BudgetView[]): string | null {
  const [budget] = own;
  if (budget === undefined) return null;
  if (own.length > 1) {
    const names = own.map(({ name }) => name).join(' and ');
    return plainText(`two budgets select it (${names}); delete all but one`, MAX_WHY);
  }
  const { status } = budget;
  let reason = specBlocker(budget);
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
