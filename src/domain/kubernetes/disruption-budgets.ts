/** PodDisruptionBudgets as the eviction API applies them. */
import type { LabelRequirement, LabelSelector } from '../shared/label-selector';
import { matchesLabels } from '../shared/label-selector';
import type { PodView } from './pod-filter';
import { hasEnded } from './pod-filter';

export interface BudgetView {
  namespace: string;
  name: string;
  /** Null selects no pod, an empty selector all pods of the namespace. */
  selector: BudgetSelector | null;
  minAvailable: number | string | null;
  maxUnavailable: number | string | null;
  /** Pods that are not ready may be evicted whatever the counts are. */
  unhealthyAlwaysAllowed: boolean;
  /** Null until the controller has processed the current generation of the budget. */
  status: BudgetStatus | null;
  /** Number of pods once all controllers have their desired replicas; absent: not queried. */
  capacity?: number;
}

export interface BudgetSelector {
  matchLabels?: Record<string, string>;
  matchExpressions?: { key: string; operator: string; values?: string[] }[];
}

export interface BudgetStatus {
  disruptionsAllowed: number;
  currentHealthy: number;
  desiredHealthy: number;
  expectedPods: number;
  /** Why the controller cannot compute the budget; null when it can. */
  failure: string | null;
}

/** The budgets that apply to the eviction of a pod; the server always rejects an eviction with two or more. */
export function budgetsOf(pod: PodView, budgets: readonly BudgetView[]): BudgetView[] {
  if (hasEnded(pod) || pod.phase === 'Pending' || pod.deletionAtMs !== null) return [];
  return budgets.filter((budget) => budget.namespace === pod.namespace && selectsLabels(budget, pod.labels));
}

/** Whether the budget selects pods with these labels. */
export function selectsLabels({ selector }: BudgetView, labels: Readonly<Record<string, string>>): boolean {
  if (selector === null) return false;
  const requirements: LabelRequirement[] = Object.entries(selector.matchLabels ?? {}).map(([key, value]) => ({
    key,
    operator: 'in',
    values: [value],
  }));
  for (const { key, operator, values = [] } of selector.matchExpressions ?? []) {
    const requirement = toRequirement(key, operator, values);
    if (requirement === null) return false;
    requirements.push(requirement);
  }
  return matchesLabels(requirements satisfies LabelSelector, labels);
}

function toRequirement(key: string, operator: string, values: string[]): LabelRequirement | null {
  switch (operator) {
    case 'In':
      return { key, operator: 'in', values };
    case 'NotIn':
      return { key, operator: 'notin', values };
    case 'Exists':
      return { key, operator: 'exists' };
    case 'DoesNotExist':
      return { key, operator: 'absent' };
    default:
      return null;
  }
}

/** Whether an eviction of the pod would be granted now, according to the counts of the budget. */
export function allowsEviction(budget: BudgetView, pod: PodView): boolean {
  const { status } = budget;
  if (!pod.ready && budget.unhealthyAlwaysAllowed) return true;
  if (status === null) return false;
  if (status.disruptionsAllowed > 0) return true;
  return !pod.ready && status.currentHealthy >= status.desiredHealthy && status.desiredHealthy > 0;
}

/**
 * Why the budget never allows an eviction unless someone changes the budget, its pods or their labels; null: the budget
 * allows evictions once pods are ready. Operators do change these once a node is cordoned or an eviction is requested.
 * One clause.
 */
export function permanentBlocker(budget: BudgetView, pod: PodView): string | null {
  const { status } = budget;
  const fixed = specBlocker(budget);
  if (fixed !== null || status === null) return fixed;
  if (status.expectedPods === 0 && pod.controller === null) return 'pods without a controller cannot be counted';
  // The server compares an absolute number with the existing pods, whether finished or missing.
  const most = usesAbsoluteCount(budget) ? (budget.capacity ?? status.expectedPods) : status.expectedPods;
  if (most > 0 && status.desiredHealthy >= most && status.disruptionsAllowed <= 0) {
    return `it needs ${status.desiredHealthy} healthy pod${status.desiredHealthy === 1 ? '' : 's'} and selects no more than ${most}`;
  }
  return null;
}

/** The part that does not depend on the number of pods. */
export function specBlocker({ status, minAvailable, maxUnavailable }: BudgetView): string | null {
  if (maxUnavailable === 0 || maxUnavailable === '0%') return 'its maxUnavailable is 0';
  if (minAvailable === '100%') return 'its minAvailable is 100%';
  return status === null || status.failure === null ? null : `it cannot be computed (${status.failure})`;
}

/** The server counts existing pods instead of desired replicas. */
export function usesAbsoluteCount({ minAvailable }: BudgetView): boolean {
  return typeof minAvailable === 'number';
}

/** Why the budget allows no eviction now. One clause. */
export function currentBlocker({ status }: BudgetView): string {
  if (status === null) return 'its controller has not processed it yet';
  if (status.currentHealthy === 0) return 'none of its pods is healthy';
  return `${status.currentHealthy} pods are healthy and ${status.desiredHealthy} must be`;
}

export function budgetTitle({ namespace, name }: Pick<BudgetView, 'namespace' | 'name'>): string {
  return `the budget ${name} of namespace ${namespace}`;
}
