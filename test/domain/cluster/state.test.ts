import { applySpecToState, finishRun, newClusterState, settleNodes } from '../../../src/domain/cluster/state';
import type { ClusterState } from '../../../src/domain/cluster/state';
import { notTried, skippedBecauseRemoved } from '../../../src/domain/run/run';
import { beginRun, clusterSpec, nodeSpec, settled } from '../../support/builders';

const T0 = '2027-01-01T00:00:00.000Z';

function patchedState(names: string[], machineId = 'abc'): ClusterState {
  const state = newClusterState(clusterSpec(names), null, T0);
  const run = beginRun(state, names);
  const ends = names.map((name) => {
    const one = settled(name, { workflowRunId: 'r' });
    return { ...one, reading: one.reading === null ? null : { ...one.reading, machineId: `${machineId}-${name}` } };
  });
  finishRun(state, run, ends, 'succeeded', T0);
  return state;
}

describe('src/domain/cluster/state', () => {
  it('counts node records in the summary of a run', () => {
    const names = ['a', 'b', 'c', 'd', 'e'];
    const state = newClusterState(clusterSpec(names), null, T0);
    const run = beginRun(state, names);
    finishRun(
      state,
      run,
      [
        settled('a'),
        settled('b', { outcome: 'skipped', error: { type: 'DrainTimeout', message: 'b was not drained' } }),
        skippedBecauseRemoved('node', 'c'),
        settled('d', { outcome: 'cancelled', appliedAt: null }),
        notTried('node', 'e', 'the run was cancelled before this node'),
      ],
      'cancelled',
      T0,
    );
    expect(state.runs).toEqual([
      expect.objectContaining({ total: 5, patched: 1, skipped: 2, cancelled: 1, notTried: 1, failed: 0 }),
    ]);
    expect(state.nodes[4]).toMatchObject({
      state: 'not-tried',
      lastError: { type: 'NotTried', message: 'the run was cancelled before this node' },
    });
  });

  it('shows no pending updates of an earlier run beside a failed node', () => {
    const state = patchedState(['w-1']);
    expect(state.nodes[0]).toMatchObject({ pendingUpdates: 0 });
    const failed = { outcome: 'failed', reading: null, error: { type: 'Policy', message: 'no' } } as const;
    settleNodes(state, beginRun(state, ['w-1']), [settled('w-1', { ...failed, pendingUpdates: 3 })], T0);
    expect(state.nodes[0]).toMatchObject({ state: 'failed', pendingUpdates: 3 });
    settleNodes(state, beginRun(state, ['w-1']), [settled('w-1', failed)], T0);
    expect(state.nodes[0]).toMatchObject({ state: 'failed', pendingUpdates: null });
  });

  it('keeps the pending count of the previous run for a node that this run did not reach', () => {
    const state = patchedState(['w-1']);
    settleNodes(state, beginRun(state, ['w-1']), [notTried('node', 'w-1', 'stopped.')], T0);
    expect(state.nodes[0]).toMatchObject({ state: 'not-tried', pendingUpdates: 0 });
  });

  describe('renamed node', () => {
    const [old] = clusterSpec(['w-1']).nodes;
    const renamed = (more = {}) => {
      const spec = clusterSpec(['w-1']);
      return { ...spec, nodes: [{ ...(old ?? nodeSpec('w-1')), name: 'worker-1', ...more }] };
    };

    it('keeps its history under the same address and trust', () => {
      const state = patchedState(['w-1']);
      const before = state.nodes[0];
      applySpecToState(state, renamed(), T0);
      expect(state.nodes).toEqual([{ ...before, name: 'worker-1' }]);
    });

    it('is left alone by the run that knows the old name', () => {
      const state = patchedState(['w-1']);
      beginRun(state, ['w-1']);
      applySpecToState(state, renamed(), T0);
      expect(state.nodes[0]).toMatchObject({ name: 'worker-1', state: 'unknown', lastOutcome: 'patched' });
      expect(state.run?.removed).toEqual(['w-1']);
    });

    it('regains its history by machine id when the address changed too', () => {
      const state = patchedState(['w-1']);
      const applied = state.nodes[0]?.lastAppliedPatchTime;
      applySpecToState(state, renamed({ host: '10.9.9.9' }), T0);
      expect(state.nodes[0]).toMatchObject({ name: 'worker-1', state: 'unknown', lastAppliedPatchTime: null });
      const one = settled('worker-1', { outcome: 'up-to-date', appliedAt: null, workflowRunId: 'r' });
      const reading = one.reading === null ? null : { ...one.reading, machineId: 'abc-w-1' };
      settleNodes(state, beginRun(state, ['worker-1']), [{ ...one, reading }], T0);
      expect(state.nodes[0]).toMatchObject({ state: 'up-to-date', lastAppliedPatchTime: applied });
    });

    it('is a new node on another machine', () => {
      const state = patchedState(['w-1']);
      applySpecToState(state, renamed({ host: '10.9.9.9' }), T0);
      const end = settled('worker-1', { outcome: 'up-to-date', appliedAt: null, workflowRunId: 'r' });
      settleNodes(state, beginRun(state, ['worker-1']), [end], T0);
      expect(state.nodes[0]).toMatchObject({ state: 'up-to-date', lastAppliedPatchTime: null });
    });
  });
});
