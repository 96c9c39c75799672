/** Plans of clusters of many nodes. */
import { problem } from '../../../src/domain/inspection/finding';
import type { NodeInspection } from '../../../src/domain/inspection/node';
import { newNodeStatus } from '../../../src/domain/node/status';
import type { RunPlan } from '../../../src/domain/run/plan';
import { planRun } from '../../../src/domain/run/plan';
import { clusterSpec, nodeInspection, patchPlan, rollout } from '../../support/builders';
import { NOW } from '../support';

const DAY = 86_400_000;

/** Of ten nodes two are up to date, one has a new kernel and one cannot be reached. */
export function planOf(count: number): RunPlan {
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
