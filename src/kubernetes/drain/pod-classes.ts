/** Classifies the pods of a node for a drain, and finds what blocks the drain, at one point in time. */
import type { BudgetView } from '../../domain/kubernetes/disruption-budgets';
import {
  allowsEviction,
  budgetTitle,
  budgetsOf,
  permanentBlocker,
  currentBlocker,
} from '../../domain/kubernetes/disruption-budgets';
import type { DrainPolicy } from '../../domain/kubernetes/types';
import type { PodVerdict, PodView } from '../../domain/kubernetes/pod-filter';
import { hasEnded, isDaemonSetPod, podFilter } from '../../domain/kubernetes/pod-filter';
import { OWN_WORKER_STAYS } from '../../domain/kubernetes/own-worker';
import { withCapacity } from './budget-capacity';
import { ownWorkerAmong } from './own-worker';
import type { KubeSession } from '../session';

/** Maximum pods named in a message. */
const MAX_NAMED = 5;

/** Of the worker that drains the node itself, when there is no other. */
const STAYS: PodVerdict = { do: 'stay', why: OWN_WORKER_STAYS };

export interface ClassifiedPod {
  pod: PodView;
  verdict: PodVerdict;
}

export async function classifyPods(session: KubeSession, policy: DrainPolicy): Promise<ClassifiedPod[]> {
  return judge(session, policy, await session.reach((api) => api.podsOfNode(session.target.nodeName)));
}

/** Applies the policy to an existing list of pods. */
export async function judge(
  session: KubeSession,
  policy: DrainPolicy,
  pods: readonly PodView[],
): Promise<ClassifiedPod[]> {
  const daemonSets = new Set<string>();
  if (pods.some((pod) => isDaemonSetPod(pod) && !hasEnded(pod))) {
    for (const { namespace, name } of await session.reach((api) => api.listDaemonSets())) {
      daemonSets.add(`${namespace}/${name}`);
    }
  }
  const verdictOf = podFilter({
    policy,
    nowMs: session.now(),
    hasDaemonSet: (namespace, name) => daemonSets.has(`${namespace}/${name}`),
  });
  const own = await ownWorkerAmong(session, pods);
  const staysUid = own?.fate === 'stays' ? session.podUid : null;
  return pods.map((pod) => ({ pod, verdict: pod.uid === staysUid ? STAYS : verdictOf(pod) }));
}

/** All budgets, with their capacity where they affect these evictions. */
export async function budgetsFor(session: KubeSession, evicted: readonly PodView[]): Promise<BudgetView[]> {
  if (evicted.length === 0) return [];
  return withCapacity(session, evicted, await session.reach((api) => api.listBudgets()));
}

/** Pods that the policy does not allow to evict: one sentence per reason. */
export function findRefusals(judged: readonly ClassifiedPod[]): string[] {
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

/** Evictions that the server answers with an error, also for kubectl: one sentence per pair of budgets. */
export function findUnevictable(pods: readonly PodView[], budgets: readonly BudgetView[]): string[] {
  const found = new Map<string, PodView[]>();
  for (const pod of pods) {
    const own = budgetsOf(pod, budgets);
    if (own.length < 2) continue;
    const names = own.map(({ name }) => name).join(' and ');
    const why = `the server evicts no pod that two budgets select, here ${names} of namespace ${pod.namespace}; delete all but one of them`;
    found.set(why, [...(found.get(why) ?? []), pod]);
  }
  return [...found].map(([why, stuck]) => `${why}: ${namesOf(stuck)}`);
}

/** What the drain would wait for now; first the budgets that never allow an eviction by themselves. */
export function findWaits(judged: readonly ClassifiedPod[], budgets: readonly BudgetView[]): string[] {
  const closed = new Map<string, PodView[]>();
  const temporary = new Map<string, PodView[]>();
  const add = (waits: Map<string, PodView[]>, why: string, pod: PodView): void => {
    waits.set(why, [...(waits.get(why) ?? []), pod]);
  };
  for (const { pod, verdict } of judged) {
    if (verdict.do === 'wait-completed') add(temporary, 'pods that a rule lets run to completion', pod);
    if (verdict.do !== 'evict') continue;
    if (pod.deletionAtMs !== null) add(temporary, 'pods that are terminating', pod);
    const own = budgetsOf(pod, budgets);
    const [budget] = own;
    if (own.length !== 1 || budget === undefined || allowsEviction(budget, pod)) continue;
    const why = permanentBlocker(budget, pod);
    const title = `${budgetTitle(budget)}, which allows no eviction now`;
    if (why === null) add(temporary, `${title} (${currentBlocker(budget)})`, pod);
    else add(closed, `${title} and opens only when an operator or a person changes something (${why})`, pod);
  }
  return [...closed, ...temporary].map(([why, pods]) => `${why}: ${namesOf(pods)}`);
}

export function namesOf(pods: readonly Pick<PodView, 'namespace' | 'name'>[]): string {
  const named = pods.slice(0, MAX_NAMED).map(({ namespace, name }) => `${namespace}/${name}`);
  if (pods.length > MAX_NAMED) named.push(`and ${pods.length - MAX_NAMED} more`);
  return named.join(', ');
}
