import type { PlanView } from '../../../src/cli/render/plan';
import { renderPlan } from '../../../src/cli/render/plan';
import { problem } from '../../../src/domain/inspection/finding';
import type { NodeInspection } from '../../../src/domain/inspection/node';
import { newNodeStatus } from '../../../src/domain/node/status';
import type { RunPlan } from '../../../src/domain/run/plan';
import { planRun } from '../../../src/domain/run/plan';
import { clusterSpec, nodeInspection, patchPlan, rollout } from '../../support/builders';
import { golden } from '../../support/golden';
import { NOW, PLAIN } from '../support';

const DAY = 86_400_000;

/** Of ten nodes two are up to date, one has a new kernel and one cannot be reached. */
function planOf(count: number): RunPlan {
  const names = Array.from({ length: count }, (_, at) => `worker-${String(at + 1).padStart(3, '0')}`);
  const spec = clusterSpec(names, {
    rollout: rollout({
      ...{ concurrency: '10%', maxUnavailable: '20%', maxFailures: '40%', onExceeded: 'pause' },
      stages: [{ nodes: 1, soak: '1h' }, { nodes: '25%' }],
    }),
  });
  const inspections = names.map((name, at): [string, NodeInspection] => [name, inspectionOf(name, at)]);
  return planRun({
    ...{ spec, names: null, inspections: new Map(inspections), nowMs: NOW },
    rows: names.map((name) => newNodeStatus(name, 'worker', 'not-required')),
    windows: [
      { start: '2026-11-29T00:00:00.000Z', end: '2026-11-29T04:00:00.000Z', cutoff: null },
      { start: '2026-12-06T00:00:00.000Z', end: '2026-12-06T04:00:00.000Z', cutoff: null },
    ],
    unavailable: new Set(),
    blockers: count === 60 ? ['the cluster is paused by ann: freeze'] : [],
  });
}

function inspectionOf(name: string, at: number): NodeInspection {
  if (at % 10 === 7) {
    const error = { type: 'Unreachable', message: `${name} cannot be reached: no route to host` } as const;
    const findings = [problem('reachable', error.message, `check the network of ${name}`)];
    return nodeInspection(name, { error, findings, facts: null, plan: null, pending: null });
  }
  const packages = at % 10 > 7 ? [] : ['curl', 'libssl3', ...(at % 10 === 3 ? ['linux-image-amd64'] : [])];
  const keptBack = at === 0 ? [{ name: 'docker-ce', reason: 'held' }] : [];
  const plan = { ...patchPlan(...packages), security: packages.length > 0 ? 1 : 0, keptBack, listsAgeMs: 3 * DAY };
  return nodeInspection(name, { plan, pending: packages.length });
}

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
});
