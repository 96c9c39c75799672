/** The maximum number of pods that a budget can count, for budgets that block a drain. */
import type { BudgetView } from '../../domain/kubernetes/disruption-budgets';
import {
  allowsEviction,
  budgetsOf,
  usesAbsoluteCount,
  selectsLabels,
} from '../../domain/kubernetes/disruption-budgets';
import type { PodView } from '../../domain/kubernetes/pod-filter';
import { hasEnded } from '../../domain/kubernetes/pod-filter';
import type { KubeSession } from '../session';
import { workloadOf } from './workloads';

/** Skips budgets that block no pod, which are the majority. */
export async function withCapacity(
  session: KubeSession,
  pods: readonly PodView[],
  budgets: readonly BudgetView[],
): Promise<BudgetView[]> {
  const blocking = new Set(
    pods.flatMap((pod) =>
      budgetsOf(pod, budgets).filter((budget) => usesAbsoluteCount(budget) && !allowsEviction(budget, pod)),
    ),
  );
  const podsIn = new Map<string, PodView[]>();
  const found: BudgetView[] = [];
  for (const budget of budgets) {
    if (!blocking.has(budget)) {
      found.push(budget);
      continue;
    }
    const { namespace } = budget;
    const there = podsIn.get(namespace) ?? (await session.reach((api) => api.podsByLabel(namespace, '')));
    podsIn.set(namespace, there);
    found.push({ ...budget, capacity: await capacityOf(session, budget, there) });
  }
  return found;
}

/** Desired replicas of the controllers, plus running pods of other or no controllers. */
async function capacityOf(session: KubeSession, budget: BudgetView, there: readonly PodView[]): Promise<number> {
  const { namespace } = budget;
  const pods = there.filter((pod) => !hasEnded(pod) && selectsLabels(budget, pod.labels));
  const byController = new Map<string, PodView[]>();
  for (const pod of pods) {
    const key = pod.controller?.uid ?? pod.uid;
    byController.set(key, [...(byController.get(key) ?? []), pod]);
  }
  let capacity = 0;
  const counted = new Set<string>();
  for (const [pod, ...others] of byController.values()) {
    if (pod === undefined) continue;
    const workload = pod.controller === null ? null : await workloadOf(session, namespace, pod.controller);
    const state = workload === null ? null : await session.reach((api) => api.readWorkload(workload));
    // Of a budget for one revision, or for single pods of a controller, only the existing pods are known.
    if (workload === null || state === null || !selectsLabels(budget, state.podLabels)) capacity += 1 + others.length;
    else if (!counted.has(`${workload.kind}/${workload.name}`)) {
      counted.add(`${workload.kind}/${workload.name}`);
      capacity += state.wanted;
    }
  }
  return capacity;
}
