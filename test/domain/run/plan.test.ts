import { problem } from '../../../src/domain/inspection/finding';
import type { NodeInspection } from '../../../src/domain/inspection/node';
import type { NodeStatus } from '../../../src/domain/node/status';
import { newNodeStatus } from '../../../src/domain/node/status';
import type { PlanRequest } from '../../../src/domain/run/plan';
import { planRun } from '../../../src/domain/run/plan';
import type { Patching } from '../../../src/domain/spec/types';
import {
  CONTINUE_ON_FAILURE,
  clusterSpec,
  nodeFacts,
  nodeInspection,
  patchPlan,
  rollout,
} from '../../support/builders';

const NOW = Date.parse('2026-11-29T00:00:00Z');

function plan(
  nodes: Record<string, { row?: Partial<NodeStatus>; inspection?: Partial<NodeInspection> | null }>,
  patching: Partial<Patching> = {},
  more: Partial<PlanRequest> = {},
) {
  const names = Object.keys(nodes);
  const spec = clusterSpec(names, patching);
  const inspections = names.flatMap((name) => {
    const { inspection = {} } = nodes[name] ?? {};
    return inspection === null ? [] : [[name, withPending(nodeInspection(name, inspection))] as const];
  });
  return planRun({
    spec,
    rows: spec.nodes.map(({ name, role }) => ({
      ...newNodeStatus(name, role, 'not-required'),
      ...nodes[name]?.row,
    })),
    ...{
      names: null,
      inspections: new Map(inspections),
      windows: [],
      unavailable: new Set<string>(),
      blockers: [],
      nowMs: NOW,
    },
    ...more,
  });
}

function withPending(inspection: NodeInspection): NodeInspection {
  return { ...inspection, pending: inspection.plan === null ? null : inspection.plan.changes.length };
}

const due = { inspection: { plan: patchPlan('curl') } };

describe('src/domain/run/plan', () => {
  test('has the order, the stages and the numbers of a run', () => {
    const stages = [{ nodes: 1, soak: '1h' }, { nodes: '50%' }] as const;
    const planned = plan(
      {
        'cp-1': due,
        'w-1': { ...due, row: { lastAppliedPatchTime: '2026-11-20T00:00:00Z' } },
        'w-2': { ...due, row: { lastAppliedPatchTime: '2026-11-10T00:00:00Z' } },
        'w-3': due,
      },
      { rollout: rollout({ concurrency: '50%', maxUnavailable: '25%', maxFailures: '50%', stages: [...stages] }) },
    );
    expect(planned.nodes.map(({ node, stage }) => [node, stage])).toEqual([
      ['w-3', 1],
      ['w-2', 2],
      ['w-1', 2],
      ['cp-1', 3],
    ]);
    expect(planned.limits).toMatchObject({ concurrency: 2, maxUnavailable: 1, maxFailures: 2 });
    expect(planned.nodes.map(({ startsAt }) => startsAt?.slice(11, 16))).toEqual(['00:00', '01:20', '01:40', '02:00']);
    expect(planned).toMatchObject({ trigger: 'on-demand', forecast: 'guess', hold: null, blockers: [] });
  });

  test('says what each node would come to, and never "no reboot" where one is possible', () => {
    const facts = (more: Parameters<typeof nodeFacts>[0]) => ({ facts: nodeFacts(more) });
    const reboot = { required: true, reasons: ['package linux-base'] };
    const planned = plan(
      {
        'w-1': due,
        'w-2': {},
        'w-3': { inspection: { plan: patchPlan('linux-image-6.1.0-45-amd64') } },
        'w-4': { inspection: facts({ reboot }) },
        'w-5': { inspection: { findings: [problem('disk', 'the disk is full', null)] } },
        'w-6': { inspection: null },
        'w-7': { inspection: { plan: null } },
      },
      { rollout: rollout(CONTINUE_ON_FAILURE) },
    );
    expect(planned.nodes.map(({ node, outcome, reboot: expected }) => [node, outcome, expected])).toEqual([
      ['w-1', 'patched', 'possible'],
      ['w-2', 'up-to-date', 'no'],
      ['w-3', 'patched', 'likely'],
      ['w-4', 'patched', 'required'],
      ['w-5', 'failed', 'no'],
      ['w-6', null, 'unknown'],
      ['w-7', null, 'unknown'],
    ]);
  });

  test('leaves reboots that are not allowed pending', () => {
    const planned = plan(
      { 'w-1': { inspection: { facts: nodeFacts({ reboot: { required: true, reasons: [] } }) } } },
      { rebootIfRequired: false },
    );
    expect(planned.nodes[0]).toMatchObject({ outcome: 'reboot-pending', reboot: 'required' });
  });

  test('does not count packages that are held or phased as pending', () => {
    const keptBack = [
      { name: 'docker-ce', reason: 'held' },
      { name: 'curl', reason: 'phased' },
    ];
    const planned = plan({ 'w-1': { inspection: { plan: { ...patchPlan(), keptBack } } } });
    expect(planned.nodes[0]).toMatchObject({ outcome: 'up-to-date', pending: 0, keptBack });
  });

  test('a node that cannot be drained fails only if it has something to do', () => {
    const findings = [problem('drain', 'the budget web allows no disruption', null)];
    const planned = plan(
      { 'w-1': { inspection: { findings, plan: patchPlan('curl') } }, 'w-2': { inspection: { findings } } },
      { rollout: rollout(CONTINUE_ON_FAILURE) },
    );
    expect(planned.nodes.map(({ outcome }) => outcome)).toEqual(['failed', 'up-to-date']);
  });

  test('leaves locked and quarantined nodes out, as a run does, and names what ends the lock', () => {
    const lock = { at: '2026-11-28T00:00:00Z', by: 'ann', reason: 'incident' };
    const quarantine = { type: 'HostKeyMismatch', message: 'another host key' } as const;
    const nodes = {
      'w-1': { ...due, row: { lock: { ...lock, until: null } } },
      'w-2': { ...due, row: { lock: { ...lock, until: '2026-11-29T00:10:00Z' } } },
      'w-3': { ...due, row: { quarantine } },
    };
    const planned = plan({ 'w-0': due, ...nodes });
    expect(planned.nodes.map(({ node, outcome, reason }) => [node, outcome, reason])).toEqual([
      ['w-0', 'patched', null],
      ['w-1', 'skipped', 'locked by ann: incident'],
      // That lock has ended when the turn of the node comes.
      ['w-2', 'patched', null],
      ['w-3', 'failed', 'the node is quarantined, unless it shows a trusted host key again: another host key'],
    ]);
    expect(planned.hold).toBeNull();
    // A request that names a node contacts it.
    expect(plan(nodes, {}, { names: ['w-3'] }).nodes).toMatchObject([{ node: 'w-3', outcome: 'patched' }]);
  });

  test('says at which node the run would stop, and which it would not reach', () => {
    const error = { type: 'Unreachable', message: 'w-1 cannot be reached' } as const;
    const findings = [problem('reachable', error.message, null)];
    const silent = { inspection: { error, findings, facts: null, plan: null } };
    const planned = plan({ 'w-1': silent, 'w-2': due, 'w-3': due });
    expect(planned.nodes.map(({ outcome }) => outcome)).toEqual(['failed', 'not-tried', 'not-tried']);
    expect(planned.nodes[0]?.endsAt).toBe('2026-11-29T00:10:00.000Z');
    expect(planned.blockers).toEqual(['the run would not reach 2 nodes: 1 failed, more than the 0 that may']);
  });

  test('begins with the window, and says in which window each node ends', () => {
    const windows = [
      { start: '2026-11-30T00:00:00.000Z', end: '2026-11-30T00:30:00.000Z', cutoff: null },
      { start: '2026-12-07T00:00:00.000Z', end: '2026-12-07T00:30:00.000Z', cutoff: null },
      { start: '2026-12-14T00:00:00.000Z', end: '2026-12-14T00:30:00.000Z', cutoff: null },
    ];
    const planned = plan({ 'w-1': due, 'w-2': due }, {}, { windows });
    expect(planned).toMatchObject({ trigger: 'schedule', startsAt: windows[0]?.start, hold: null });
    expect(planned.nodes.map(({ window }) => window)).toEqual([windows[0]?.start, windows[1]?.start]);
    expect(planned.windows).toEqual(windows.slice(0, 2));
  });
});
