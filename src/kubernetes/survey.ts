/** What is on a node and what stands in the way of emptying it, as the API tells it at one moment. */
import type { BudgetView } from '../domain/disruption-budgets';
import { allowsNow, budgetTitle, budgetsOf, whyNever, whyNotNow } from '../domain/disruption-budgets';
import type { DrainPolicy } from '../domain/kubernetes';
import type { PodVerdict, PodView } from '../domain/pod-filter';
import { hasEnded, isDaemonSetPod, podFilter } from '../domain/pod-filter';
import { withCapacity } from './capacity';
import type { KubeSession } from './session';

/** A message names at most this many pods. */
const MAX_NAMED = 5;

export interface JudgedPod {
  pod: PodView;
  verdict: PodVerdict;
}

export async function judgePods(session: KubeSession, policy: DrainPolicy): Promise<JudgedPod[]> {
  const pods = await session.reach((api) => api.podsOfNode(session.target.nodeName));
  const daemonSets = new Set<string>();
  if (pods.some((pod) => isDaemonSetPod(pod) && !hasEnded(pod))) {
    for (const { namespace, name } of await session.reach((api) => api.listDaemonSets())) {
      daemonSets.add(`${namespace}/${name}`);
    }
  }
  const judge = podFilter({
    policy,
    nowMs: session.now(),
    hasDaemonSet: (namespace, name) => daemonSets.has(`${namespace}/${name}`),
  });
  return pods.map((pod) => ({ pod, verdict: judge(pod) }));
}

/** All budgets, with what those in the way of these evictions can count on. */
export async function budgetsFor(session: KubeSession, evicted: readonly PodView[]): Promise<BudgetView[]> {
  if (evicted.length === 0) return [];
  return withCapacity(session, evicted, await session.reach((api) => api.listBudgets()));
}

/** Pods that the policy does not let go: one sentence for each reason. */
export function findRefusals(judged: readonly JudgedPod[]): string[] {
  const reasons = new Map<string, PodView[]>();
  for (const { pod, verdict } of judged) {
    if (verdict.do !== 'refuse') continue;
    const reason = `${verdict.why} (kubernetes.drain.${verdict.option} allows it)`;
    reasons.set(reason, [...(reasons.get(reason) ?? []), pod]);
  }
  return [...reasons].map(
    ([reason, pods]) => `${pods.length === 1 ? 'a pod' : `${pods.length} pods`} ${reason}: ${namesOf(pods)}`,
  );
}

/** Evictions that the server will refuse however long one waits: one sentence for each budget or pod. */
export function findDeadlocks(pods: readonly PodView[], budgets: readonly BudgetView[]): string[] {
  const found = new Map<string, PodView[]>();
  for (const pod of pods) {
    const own = budgetsOf(pod, budgets);
    for (const why of whyStuck(pod, own)) found.set(why, [...(found.get(why) ?? []), pod]);
  }
  return [...found].map(([why, stuck]) => `${why}: ${namesOf(stuck)}`);
}

function whyStuck(pod: PodView, own: readonly BudgetView[]): string[] {
  if (own.length > 1) {
    const names = own.map(({ name }) => name).join(' and ');
    return [
      `the server evicts no pod that two budgets select, here ${names} of namespace ${pod.namespace}; leave only one of them`,
    ];
  }
  return own
    .filter((budget) => !allowsNow(budget, pod))
    .flatMap((budget) => {
      const why = whyNever(budget, pod);
      return why === null ? [] : [`${budgetTitle(budget)} can never allow an eviction, ${why}`];
    });
}

/** What would be waited for as things are now. */
export function findWaits(judged: readonly JudgedPod[], budgets: readonly BudgetView[]): string[] {
  const waits = new Map<string, PodView[]>();
  const add = (why: string, pod: PodView): void => {
    waits.set(why, [...(waits.get(why) ?? []), pod]);
  };
  for (const { pod, verdict } of judged) {
    if (verdict.do === 'wait-completed') add('the end of pods by a rule', pod);
    if (verdict.do !== 'evict') continue;
    if (pod.deletionAtMs !== null) add('pods that are terminating', pod);
    const own = budgetsOf(pod, budgets);
    const [budget] = own;
    if (own.length !== 1 || budget === undefined || allowsNow(budget, pod) || whyNever(budget, pod) !== null) continue;
    add(`${budgetTitle(budget)}, which allows no eviction now (${whyNotNow(budget)})`, pod);
  }
  return [...waits].map(([why, pods]) => `${why}: ${namesOf(pods)}`);
}

export function namesOf(pods: readonly Pick<PodView, 'namespace' | 'name'>[]): string {
  const named = pods.slice(0, MAX_NAMED).map(({ namespace, name }) => `${namespace}/${name}`);
  if (pods.length > MAX_NAMED) named.push(`and ${pods.length - MAX_NAMED} more`);
  return named.join(', ');
}
