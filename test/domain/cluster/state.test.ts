import { decide } from '../../../src/domain/cluster/decide';
import { packState, unpackState } from '../../../src/domain/cluster/packed-state';
import {
  applySpecToState,
  finishRun,
  newClusterState,
  noteRefresh,
  readNode,
  settleNodes,
  unsettled,
} from '../../../src/domain/cluster/state';
import type { ClusterState } from '../../../src/domain/cluster/state';
import { notTried, skippedBecauseRemoved } from '../../../src/domain/run/run';
import type { NodeReading, NodeStatus } from '../../../src/domain/node/status';
import type { NodeSpec } from '../../../src/domain/spec/types';
import { nodesOf } from '../../support/members';
import { IDLE, beginRun, clusterSpec, nodeSpec, randomHostKey, settled } from '../../support/builders';

const T0 = '2027-01-01T00:00:00.000Z';

const reading: NodeReading = {
  ...{ at: T0, osVersion: 'Debian GNU/Linux 13.1', kernel: '6.12', pendingUpdates: 4, rebootRequired: false },
  ...{ packageSetDigest: 'sha256:1', warnings: [] },
};

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

  it('settles what a run without its workflow has left as its workflow would have', () => {
    const names = ['a', 'b', 'c', 'd', 'e'];
    const state = newClusterState(clusterSpec(names), null, T0);
    const run = beginRun(state, names);
    settleNodes(state, run, [settled('a')], T0);
    run.removed = ['a', 'b'];
    run.skipped = { c: 'skipped by ann' };
    run.withdrawn = { d: 'skipped by bob' };
    expect(unsettled(run).map(({ node, outcome, error }) => [node, outcome, error?.message])).toEqual([
      ['b', 'skipped', 'the node was removed from the cluster before its turn'],
      ['c', 'skipped', 'skipped by ann'],
      ['d', 'skipped', 'skipped by bob'],
      ['e', 'not-tried', 'run 1 ended before this node'],
    ]);
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

    it('does not take over the history of a machine id that copies share', () => {
      const state = patchedState(['w-1', 'w-2']);
      const copy = (): NodeReading => ({ ...reading, machineId: 'copied', at: T0 });
      for (const name of ['w-1', 'w-2']) readNode(state, name, copy());
      const spec = clusterSpec(['w-2', 'w-3']);
      applySpecToState(state, spec, T0);
      readNode(state, 'w-3', copy());
      expect(state.nodes[1]).toMatchObject({ name: 'w-3', machineId: 'copied', lastAppliedPatchTime: null });
    });

    it('keeps its history when two nodes exchange their machines', () => {
      const state = patchedState(['w-1', 'w-2']);
      const before = nodesOf(state.nodes).map(({ machineId }) => machineId);
      const spec = clusterSpec(['w-1', 'w-2']);
      const [one = nodeSpec('w-1'), two = nodeSpec('w-2')] = spec.nodes;
      applySpecToState(
        state,
        {
          ...spec,
          nodes: [
            { ...two, name: 'w-1' },
            { ...one, name: 'w-2' },
          ],
        },
        T0,
      );
      expect(nodesOf(state.nodes).map(({ name, machineId }) => [name, machineId])).toEqual([
        ['w-1', before[1]],
        ['w-2', before[0]],
      ]);
    });

    it('is a new node on another machine', () => {
      const state = patchedState(['w-1']);
      applySpecToState(state, renamed({ host: '10.9.9.9' }), T0);
      const end = settled('worker-1', { outcome: 'up-to-date', appliedAt: null, workflowRunId: 'r' });
      settleNodes(state, beginRun(state, ['worker-1']), [end], T0);
      expect(state.nodes[0]).toMatchObject({ state: 'up-to-date', lastAppliedPatchTime: null });
    });
  });

  describe('another machine under the same name', () => {
    const own = nodeSpec('w-1');
    const [otherKey, otherHost] = [{ hostKeys: [randomHostKey()] }, { host: '10.9.9.9' }];
    const applied = (more: Partial<NodeSpec>, patchOnBoot = true): ClusterState => {
      const state = patchedState(['w-1']);
      applySpecToState(state, { ...clusterSpec(['w-1'], { patchOnBoot }), nodes: [{ ...own, ...more }] }, T0);
      return state;
    };
    const readAs = (state: ClusterState, machineId?: string): NodeStatus | undefined => {
      readNode(state, 'w-1', { ...reading, at: T0, ...(machineId === undefined ? {} : { machineId }) });
      return nodesOf(state.nodes)[0];
    };
    const asBefore = { state: 'patched', lastAppliedPatchTime: expect.any(String), bootPatch: 'not-required' };
    const asNew = { state: 'unknown', lastAppliedPatchTime: null, bootPatch: 'pending' };

    it('is a new node at once when address and host keys are others, and owes the boot patch', () => {
      const state = applied({ ...otherKey, ...otherHost });
      expect(state.nodes[0]).toMatchObject({ ...asNew, patchedVersion: null, lastOutcome: null });
      expect(decide(state, Date.parse(T0), IDLE)).toMatchObject({ do: 'start-run', start: { trigger: 'boot' } });
      expect(applied({ ...otherKey, ...otherHost }, false).nodes[0]).toMatchObject({
        ...asNew,
        bootPatch: 'not-required',
      });
    });

    it('regains its history when the reading shows that it was renumbered and got new keys', () => {
      expect(readAs(applied({ ...otherKey, ...otherHost }), 'abc-w-1')?.lastAppliedPatchTime).toEqual(
        expect.any(String),
      );
    });

    it.each([
      ['the address', otherHost],
      ['the port', { ssh: { ...own.ssh, port: 2222 } }],
      ['the host key', otherKey],
    ])('is looked for at once when only %s has changed, and the machine id decides', (_, more) => {
      const state = applied(more);
      expect(state.nodes[0]).toMatchObject({ ...asBefore, machineUnconfirmed: true });
      expect(decide(state, Date.parse(T0), IDLE)).toMatchObject({ do: 'refresh-facts', nodes: ['w-1'] });
      const same = readAs(applied(more), 'abc-w-1');
      expect(same).toMatchObject(asBefore);
      expect(same).not.toHaveProperty('machineUnconfirmed');
      const other = readAs(applied(more), 'another');
      expect(other).toMatchObject({ ...asNew, machineId: 'another', patchedVersion: reading.osVersion });
      expect(other).not.toHaveProperty('machineUnconfirmed');
    });

    it('looks once, and again hours later when that has told nothing', () => {
      const state = applied(otherHost);
      noteRefresh(state, 'w-1', 0, T0);
      expect(decide(state, Date.parse(T0), IDLE).do).toBe('sleep');
      expect(decide(state, Date.parse(T0) + 6 * 3_600_000, IDLE)).toMatchObject({ do: 'refresh-facts' });
    });

    it('is no other machine for an empty machine id, before or after', () => {
      const state = applied(otherHost);
      expect(readAs(state)).toMatchObject({ ...asBefore, machineUnconfirmed: true });
      const unread = patchedState(['w-1']);
      unread.nodes = nodesOf(unread.nodes).map(({ machineId: _, ...node }) => node);
      applySpecToState(unread, { ...clusterSpec(['w-1']), nodes: [{ ...own, ...otherHost }] }, T0);
      expect(readAs(unread, 'abc')).toMatchObject(asBefore);
    });

    it('is no other machine when the machine id was made anew under the same address and key', () => {
      expect(readAs(patchedState(['w-1']), 'made-anew')).toMatchObject({ ...asBefore, machineId: 'made-anew' });
    });

    it('is no other machine when a host key was added', () => {
      expect(applied({ hostKeys: [...own.hostKeys, randomHostKey()] }).nodes[0]).not.toHaveProperty(
        'machineUnconfirmed',
      );
    });

    it('keeps the lock of the name', () => {
      const state = patchedState(['w-1']);
      const lock = { at: T0, by: 'ann', reason: null, until: null };
      state.nodes = nodesOf(state.nodes).map((node) => ({ ...node, lock }));
      applySpecToState(state, { ...clusterSpec(['w-1']), nodes: [{ ...own, ...otherKey, ...otherHost }] }, T0);
      expect(state.nodes[0]).toMatchObject({ lock });
    });

    it('gets the outcome of its own patch, and none of a run that began with the machine before', () => {
      const state = applied(otherHost);
      const run = beginRun(state, ['w-1']);
      const end = settled('w-1', { outcome: 'up-to-date', appliedAt: null, workflowRunId: 'r' });
      settleNodes(state, run, [{ ...end, reading: { ...reading, machineId: 'another' } }], T0);
      expect(state.nodes[0]).toMatchObject({ state: 'up-to-date', bootPatch: 'done', lastAppliedPatchTime: null });
      const during = patchedState(['w-1']);
      const old = beginRun(during, ['w-1']);
      applySpecToState(during, { ...clusterSpec(['w-1']), nodes: [{ ...own, ...otherKey, ...otherHost }] }, T0);
      settleNodes(during, old, [end], T0);
      expect(during.nodes[0]).toMatchObject({ state: 'unknown', lastOutcome: null });
    });

    it('stays unconfirmed through continue-as-new', () => {
      const state = applied(otherHost);
      expect(unpackState(packState(state)).nodes).toEqual(state.nodes);
    });
  });
});
