/** PodDisruptionBudgets as the eviction API applies them. */
import type { LabelRequirement, LabelSelector } from '../shared/label-selector';
import { matchesLabels } from '../shared/label-selector';
import type { PodView } from './pod-filter';
import { hasEnded } from './pod-filter';

export interface BudgetView {
  namespace: string;
  name: string;
  /** Null selects no pod, an empty one all of the namespace. */
  selector: BudgetSelector | null;
  minAvailable: number | string | null;
  maxUnavailable: number | string | null;
  /** Pods that are not ready may go whatever the numbers are. */
  unhealthyAlwaysAllowed: boolean;
  /** Null as long as the controller has not looked at this budget as it is now. */
  status: BudgetStatus | null;
  /** How many pods there will be when all their controllers have what they want; absent: not asked for. */
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

/** The budgets that the eviction of a pod has to respect; the server refuses for ever when there are two. */
export function budgetsOf(pod: PodView, budgets: readonly BudgetView[]): BudgetView[] {
  if (hasEnded(pod) || pod.phase === 'Pending' || pod.deletionAtMs !== null) return [];
  return budgets.filter((budget) => budget.namespace === pod.namespace && selectsLabels(budget, pod.labels));
}

/** Whether the budget is about pods with these labels. */
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

/** Whether an eviction of the pod would be granted now, as far as the budget's numbers tell. */
export function allowsEviction(budget: BudgetView, pod: PodView): boolean {
  const { status } = budget;
  if (!pod.ready && budget.unhealthyAlwaysAllowed) return true;
  if (status === null) return false;
  if (status.disruptionsAllowed > 0) return true;
  return !pod.ready && status.currentHealthy >= status.desiredHealthy && status.desiredHealthy > 0;
}

/**
 * Why the budget stays closed as long as nobody changes it, its pods or their labels; null: it opens when pods are
 * ready. Operators do change them once a node is cordoned or an eviction is asked for. One clause.
 */
export function whyClosed(budget: BudgetView, pod: PodView): string | null {
  const { status } = budget;
  const fixed = whyClosedFor(budget);
  if (fixed !== null || status === null) return fixed;
  if (status.expectedPods === 0 && pod.controller === null) return 'pods without a controller cannot be counted';
  // A number of pods is compared with those that are there, be they finished or some missing.
  const most = usesAbsoluteCount(budget) ? (budget.capacity ?? status.expectedPods) : status.expectedPods;
  if (most > 0 && status.desiredHealthy >= most && status.disruptionsAllowed <= 0) {
    return `it needs ${status.desiredHealthy} healthy pod${status.desiredHealthy === 1 ? '' : 's'} and selects no more than ${most}`;
  }
  return null;
}

/** The same as far as it does not depend on how many pods there may be. */
export function whyClosedFor({ status, minAvailable, maxUnavailable }: BudgetView): string | null {
  if (maxUnavailable === 0 || maxUnavailable === '0%') return 'its maxUnavailable is 0';
  if (minAvailable === '100%') return 'its minAvailable is 100%';
  return status === null || status.failure === null ? null : `it cannot be computed (${status.failure})`;
}

/** Its server counts the pods that are there, not those that their controllers want. */
export function usesAbsoluteCount({ minAvailable }: BudgetView): boolean {
  return typeof minAvailable === 'number';
}

/** Why the budget allows nothing now. One clause. */
export function currentBlocker({ status }: BudgetView): string {
  if (status === null) return 'its controller has not processed it yet';
  if (status.currentHealthy === 0) return 'none of its pods is healthy';
  return `${status.currentHealthy} pods are healthy and ${status.desiredHealthy} must be`;
}

export function budgetTitle({ namespace, name }: Pick<BudgetView, 'namespace' | 'name'>): string {
  return `the budget ${name} of namespace ${namespace}`;
}
