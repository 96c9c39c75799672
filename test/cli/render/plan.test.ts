import type { PlanView } from '../../../src/cli/render/plan';
import { renderPlan } from '../../../src/cli/render/plan';
import type { RunPlan } from '../../../src/domain/run/plan';
import { golden } from '../../support/golden';
import { PLAIN } from '../support';
import { planOf } from './fleet-plan';

function rendered(plan: RunPlan, columns: number | undefined, more: Partial<PlanView> = {}): string {
  return renderPlan(plan, { zone: 'UTC', color: { ...PLAIN, columns }, all: false, ...more });
}

describe('src/cli/render/plan', () => {
  test.each([3, 60, 500].flatMap((size) => [40, 80, 140].map((columns) => [size, columns] as const)))(
    'the plan of %i nodes, in %i columns, is as kept and fits',
    (size, columns) => {
      const text = rendered(planOf(size), columns);
      expect(text).toBe(golden(__dirname, `plan-${size}-${columns}`, text));
      expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(columns);
    },
  );

  test('of 500 nodes lists the first ones and ten of each kind of trouble, with --all every one', () => {
    const text = rendered(planOf(500), undefined);
    expect(text.match(/^worker-\d{3} +\d /gm)).toHaveLength(10 + 10 - 1);
    expect(text).toMatch(/and \d+ patched, .*; every node: ospatch plan demo --all/);
    expect(rendered(planOf(500), undefined, { all: true }).match(/^worker-\d{3} +\d /gm)).toHaveLength(500);
  });

  test('says the numbers that percentages come to, how old the lists are, and that reboots may not be known', () => {
    const text = rendered(planOf(60), undefined);
    expect(text).toMatch(/^Concurrency +10% = 6$/m);
    expect(text).toMatch(/^Unavailable +at most 20% = 12$/m);
    expect(text).toMatch(/^Failures +40% = 24 allowed; with more, the run waits for a decision$/m);
    expect(text).toMatch(
      /^Packages +90 pending on 42 nodes, 42 of them security; 1 kept back \(1 held\); not known of 6 nodes$/m,
    );
    expect(text).toMatch(/^Reboots +36 possible, 6 likely, 6 unknown$/m);
    expect(text).toContain('(up to 3d old); a run refreshes them first and may find more');
    expect(text).toMatch(/^Blocked +the cluster is paused by ann: freeze\.$/m);
  });

  test('never counts as no security fix what nobody knows', () => {
    const [first, ...rest] = planOf(3).nodes.map((node) => ({ ...node, pending: 2, security: null }));
    if (first === undefined) throw new Error('no node');
    const text = (nodes: RunPlan['nodes']): string => rendered({ ...planOf(3), nodes }, undefined);
    expect(text([first, ...rest])).toMatch(/^Packages +6 pending on 3 nodes, how many of them security is not known;/m);
    expect(text([{ ...first, security: 1 }, ...rest])).toMatch(/, 1 of them security \(not known of 2 nodes\);/m);
    expect(text([first])).toMatch(/^worker-001 .* 2 +\? /m);
  });
});
