import type { BudgetView } from '../../../src/domain/kubernetes/disruption-budgets';
import type { PodEviction } from '../../../src/kubernetes/drain/evictions';
import { refreshBudgets, oncePerBudget } from '../../../src/kubernetes/drain/evictions';

function held(name: string, labels: Record<string, string> = { app: 'web' }): PodEviction {
  return {
    pod: {
      ...{ namespace: 'shop', name, uid: name, labels, phase: 'Running', ready: true, nodeName: 'w-1' },
      ...{ deletionAtMs: null, controller: null, isMirror: false, hasEmptyDir: false, toleratesCordon: false },
      finalizers: [],
    },
    ...{
      do: 'evict',
      order: 0,
      state: 'held',
      nextAtMs: 5_000,
      askedAtMs: 0,
      heldBy: null,
      why: 'a budget',
      since: '2026',
    },
  };
}

function budget(name: string, disruptionsAllowed: number): BudgetView {
  return {
    ...{ namespace: 'shop', name, selector: { matchLabels: { app: name } }, minAvailable: 2, maxUnavailable: null },
    unhealthyAlwaysAllowed: false,
    status: {
      disruptionsAllowed,
      currentHealthy: 2 + disruptionsAllowed,
      desiredHealthy: 2,
      expectedPods: 9,
      failure: null,
    },
  };
}

describe('src/kubernetes/drain/evictions', () => {
  it('retries as many pods as their budget allows now, before their retry time', () => {
    const pods = ['a', 'b', 'c'].map((name) => held(name));
    refreshBudgets(pods, [budget('web', 2)]);
    expect(
      oncePerBudget(
        pods.filter(({ nextAtMs }) => nextAtMs <= 1_000),
        1_000,
      ).map(({ pod }) => pod.name),
    ).toEqual(['a', 'b']);
  });

  it('retries only one pod of several under the same budget', () => {
    const pods = [held('a'), held('b'), held('c', { app: 'db' })];
    refreshBudgets(pods, [budget('web', 0), budget('db', 0)]);
    expect(pods.map(({ nextAtMs }) => nextAtMs)).toEqual([5_000, 5_000, 5_000]);
    expect(oncePerBudget(pods, 6_000).map(({ pod }) => pod.name)).toEqual(['a', 'c']);
    expect(pods[1]?.nextAtMs).toBe(11_000);
  });

  it('retries a pod at once whose budget is gone, and names both of two budgets', () => {
    const free = held('a', {});
    const both = held('b');
    refreshBudgets([free, both], [budget('web', 5), { ...budget('second', 5), selector: {} }]);
    expect(both.why).toBe('two budgets select it (web and second); delete all but one');
    refreshBudgets([free], [budget('web', 0)]);
    expect(oncePerBudget([free], 6_000)).toEqual([free]);
    expect(free.nextAtMs).toBe(0);
  });
});
