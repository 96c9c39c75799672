import { STEP_BUCKETS, countTotal, countWork, labelsOf } from '../../../src/domain/cluster/totals';
import type { Totals } from '../../../src/domain/cluster/totals';
import { packState, unpackState } from '../../../src/domain/cluster/packed-state';
import {
  cancelRequests,
  finishRun,
  newClusterState,
  recordWindow,
  settleNodes,
  settleReport,
  startRun,
} from '../../../src/domain/cluster/state';
import type { ActiveRun, ClusterState } from '../../../src/domain/cluster/state';
import { workOf, parseWork } from '../../../src/domain/node/work';
import type { PatchWork } from '../../../src/domain/node/work';
import { briefReport } from '../../../src/domain/run/hand-over-size';
import { parseSettled } from '../../../src/domain/run/progress-parser';
import { clusterSpec, runPolicy, settled } from '../../support/builders';

const T0 = '2027-01-01T00:00:00.000Z';
const T1 = '2027-01-01T00:10:00.000Z';

function clusterWithRun(names: string[]): { state: ClusterState; run: ActiveRun } {
  const state = newClusterState(clusterSpec(names), null, T0);
  const run = startRun(state, {
    ...{ number: 1, trigger: 'schedule', startedAt: T0, by: null, reason: null, nodes: names },
    policy: runPolicy(names.length),
  });
  return { state, run };
}

const WORK: PatchWork = {
  steps: [
    ['preflight', 0.8],
    ['apply', 42.5],
    ['reboot', 9_000],
  ],
  transaction: 'changed',
  reboots: 1,
};

const step = (name: 'apply' | 'reboot' | 'verify' | 'uncordon', durationMs = 1_000) => ({
  ...{ step: name, startedAt: T0, durationMs },
});
const change = { name: 'bash', from: '1', to: '2' };

describe('src/domain/cluster/totals', () => {
  it('counts what a node patch has done once, whoever tells it and how often', () => {
    const { state, run } = clusterWithRun(['w-1', 'w-2']);
    const one = { ...settled('w-1'), work: WORK };
    settleNodes(state, run, [one], T1);
    settleNodes(state, run, [one], T1);
    settleReport(
      state,
      run,
      [one, { ...settled('w-2', { outcome: 'failed' as const }), work: { steps: [], rebootFailed: true } }],
      T1,
    );
    expect(state.totals?.counts.transactions).toEqual({ changed: 1 });
    expect(state.totals?.counts.reboots).toEqual({ completed: 1, failed: 1 });
    expect(state.totals?.steps.apply).toMatchObject({ sum: 42.5 });
  });

  it('counts runs by trigger and outcome, those too that were cancelled before they began', () => {
    const { state, run } = clusterWithRun(['w-1']);
    state.request = { id: 'r', at: T0, nodes: null, by: 'ann', reason: null };
    finishRun(state, run, [settled('w-1')], 'succeeded', T1);
    cancelRequests(state, 'not wanted', T1);
    expect(state.totals?.counts.runs).toEqual({ 'schedule|succeeded': 1, 'on-demand|cancelled': 1 });
  });

  it('counts a window as missed unless it had its run or lay in a blackout', () => {
    const { state } = clusterWithRun(['w-1']);
    for (const result of ['run 3', 'covered by run 3', 'missed (blackout: freeze)', 'missed (paused)'])
      recordWindow(state, T0, result, T1);
    expect(state.totals?.counts.windowsMissed).toEqual({ '': 1 });
    expect(labelsOf('')).toEqual([]);
  });

  it('keeps its totals through continue-as-new, in little room', () => {
    const { state, run } = clusterWithRun(['w-1']);
    settleNodes(state, run, [{ ...settled('w-1'), work: WORK }], T1);
    expect(unpackState(packState(state)).totals).toEqual(state.totals);
    expect(JSON.stringify(state.totals).length).toBeLessThan(400);
  });

  it('puts each duration into one bucket, the longest into the last', () => {
    const totals: { totals?: Totals } = {};
    countWork(totals, WORK);
    expect(totals.totals?.steps.preflight?.counts.indexOf(1)).toBe(0);
    expect(totals.totals?.steps.apply?.counts.indexOf(1)).toBe(STEP_BUCKETS.indexOf(60));
    expect(totals.totals?.steps.reboot?.counts.indexOf(1)).toBe(STEP_BUCKETS.length);
  });

  it('bounds the number of labels, whatever names a spec has, and loses no count', () => {
    const totals: { totals?: Totals } = {};
    for (let at = 0; at < 100; at += 1) countTotal(totals, 'notifications', [`target|${at}\n`, 'failed']);
    const series = totals.totals?.counts.notifications ?? {};
    expect(Object.keys(series).length).toBeLessThanOrEqual(41);
    expect(Object.values(series).reduce((sum, one) => sum + one, 0)).toBe(100);
    expect(labelsOf(Object.keys(series)[0] ?? '')).toEqual(['target/0', 'failed']);
  });
});

describe('src/domain/node/work', () => {
  const error = { type: 'Internal' as const, message: 'broken' };
  const none = { outcome: 'failed' as const, changes: [], reboots: 0, error };

  it('tells a failed transaction from a failure after one, whatever is cleaned up later', () => {
    expect(workOf({ ...none, steps: [step('apply'), step('uncordon')] })?.transaction).toBe('failed');
    const later = workOf({ ...none, steps: [step('apply'), step('verify')], changes: [change] });
    expect(later?.transaction).toBe('changed');
    expect(workOf({ ...none, outcome: 'cancelled', steps: [step('apply')] })?.transaction).toBeUndefined();
  });

  it('counts a reboot from which the node came back broken as failed, and not as completed too', () => {
    const steps = [step('apply'), step('reboot'), step('reboot')];
    const work = workOf({ ...none, steps, changes: [change], reboots: 2 });
    expect(work).toMatchObject({ transaction: 'changed', reboots: 1, rebootFailed: true });
    expect(workOf({ ...none, outcome: 'patched', error: null, steps, reboots: 2 })).toMatchObject({ reboots: 2 });
  });

  it('survives the way to the cluster, and drops what nobody can have measured', () => {
    const one = { ...settled('w-1'), work: WORK };
    expect(parseSettled(JSON.parse(JSON.stringify(one)))).toMatchObject({ work: WORK });
    const forged = { steps: [['apply', -1], ['rm', 1], 'x', ['drain', Infinity]], transaction: 'a', reboots: -4 };
    expect(parseWork(forged)).toEqual({ steps: [] });
    expect(parseWork('x')).toBeUndefined();
  });

  it('is not told again in a report that is too long', () => {
    const many = Array.from({ length: 5_000 }, (_, at) => ({
      ...settled(`w-${at}`),
      error: { type: 'Internal' as const, message: 'x'.repeat(500) },
      work: WORK,
    }));
    const { settled: brief } = briefReport({ settled: many, failures: 0 }, (name) => name !== 'w-7');
    expect(brief.filter((one) => one.kind === 'node' && one.work !== undefined).map(({ node }) => node)).toEqual([
      'w-7',
    ]);
  });
});
