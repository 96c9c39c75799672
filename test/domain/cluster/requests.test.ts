import { applySpecToState, finishRun, newClusterState } from '../../../src/domain/cluster/state';
import { parseMessage } from '../../../src/domain/cluster/messages';
import {
  actOnApplySpec,
  actOnRemove,
  actOnRequest,
  checkApplySpec,
  checkRequest,
} from '../../../src/domain/cluster/requests';
import type { NotPatchableSpec } from '../../../src/domain/spec/types';
import { KEPT_EVENTS } from '../../../src/domain/cluster/events';
import { toHistory, toStatus } from '../../../src/domain/cluster/status';
import { beginRun, clusterSpec, nodeSpec, windowAt } from '../../support/builders';
import { nodesOf } from '../../support/members';

const T0 = '2027-01-01T00:00:00.000Z';
const T1 = '2027-01-02T00:00:00.000Z';

function running(): ReturnType<typeof newClusterState> {
  const spec = clusterSpec();
  const state = newClusterState(spec, null, T0);
  beginRun(
    state,
    spec.nodes.map(({ name }) => name),
  );
  return state;
}

describe('src/domain/cluster/requests', () => {
  describe('request log', () => {
    const ann = { by: 'ann', reason: 'wrong cluster' };

    it('records the last requests with requester, reason and outcome', () => {
      const state = running();
      actOnRequest(state, 'patchNow', { ...ann, nodes: ['w-1'] }, T0);
      actOnRequest(state, 'pause', ann, T0);
      actOnRequest(state, 'pause', ann, T0);
      actOnRequest(state, 'resume', {}, T0);
      actOnRequest(state, 'cancelRun', ann, T1);
      const spec = clusterSpec(undefined, { rebootIfRequired: false });
      actOnApplySpec(state, { ...ann, spec, applyId: '' }, T1);
      actOnApplySpec(state, { ...ann, spec, applyId: '' }, T1);
      actOnRemove(state, ann, T1);
      expect(toHistory(state).requests.map(({ request, by, reason, result }) => [request, by, reason, result])).toEqual(
        [
          ['patchNow', 'ann', 'wrong cluster', 'run 2, after run 1'],
          ['pause', 'ann', 'wrong cluster', 'no run and no node is started until a resume'],
          ['pause', 'ann', 'wrong cluster', 'the cluster was paused already'],
          ['resume', 'an unnamed user', null, 'runs and nodes are started again'],
          ['cancelRun', 'ann', 'wrong cluster', 'run 1 and queued run 2'],
          ['applySpec', 'ann', 'wrong cluster', '1 field changed: patching.rebootIfRequired true -> false'],
          ['remove', 'ann', 'wrong cluster', 'after run 1, which is cancelled'],
        ],
      );
      for (let more = 0; more < 80; more += 1) actOnRequest(state, 'pause', { by: `${more}` }, T1);
      expect(toHistory(state).requests).toHaveLength(KEPT_EVENTS.actions);
      expect(toHistory(state).requests.at(-1)?.by).toBe('79');
    });

    it('records a pause with a new reason and its requester, and keeps the start of the pause', () => {
      const state = running();
      actOnRequest(state, 'pause', ann, T0);
      const bob = { by: 'bob', reason: 'audit' };
      const pause = { ...bob, at: T1, since: T0 };
      expect(actOnRequest(state, 'pause', bob, T1)).toEqual({ paused: true, changed: false, pause, newReason: true });
      // Repetitions without news.
      for (const again of [bob, { by: 'cid' }])
        expect(actOnRequest(state, 'pause', again, T1)).toEqual({ paused: true, changed: false, pause });
      expect(toStatus(state).paused).toEqual(pause);
      expect(checkRequest(state, 'patchNow', {}, T0)).toBe(
        `the cluster is paused since ${T0}, last by bob at ${T1} (audit); resume it first`,
      );
      expect(toHistory(state).requests.map(({ by, result }) => [by, result])).toEqual([
        ['ann', 'no run and no node is started until a resume'],
        ['bob', 'the cluster was paused already, and has another reason now'],
        ['bob', 'the cluster was paused already'],
        ['cid', 'the cluster was paused already'],
      ]);
      expect(actOnRequest(state, 'resume', {}, T1)).toEqual({ paused: false, changed: true, pause: null });
    });

    it('names the requester in a form that fits inside a sentence', () => {
      const state = running();
      actOnRequest(state, 'patchNow', {}, T0);
      actOnRequest(state, 'cancelRun', {}, T0);
      expect(state.run?.cancelledWith?.[0]?.message).toBe(
        'cancelled by an unnamed user together with run 1, before it started',
      );
    });

    it('records one request id once', () => {
      const state = running();
      for (const at of [T0, T1]) actOnRequest(state, 'pause', { ...ann, requestId: 'p' }, at);
      expect(toHistory(state).requests).toHaveLength(1);
    });

    it.each([
      ['cancel', (state: ReturnType<typeof running>) => void actOnRequest(state, 'cancelRun', ann, T1)],
      ['remove', (state: ReturnType<typeof running>) => void actOnRemove(state, ann, T1)],
    ])('ends in the same entry as the run after a %s', (_, act) => {
      const state = running();
      act(state);
      actOnRequest(state, 'cancelRun', { by: 'bob' }, T1);
      const { run } = state;
      if (run !== null) finishRun(state, run, [], 'cancelled', T1);
      expect(state.runs.at(-1)).toMatchObject({ outcome: 'cancelled', cancelledBy: ann });
    });

    it('names who removes the cluster, and why, in later rejections', () => {
      const state = running();
      actOnRemove(state, ann, T1);
      expect(checkRequest(state, 'pause', {}, T0)).toBe('the cluster is being removed by ann (wrong cluster)');
    });
  });

  it.each([
    ['a number', 42],
    ['text', 'now!'],
    ['a list', [1]],
    ['an unknown field', { node: 'w-1' }],
    ['nodes that are no list', { nodes: 'w-1' }],
    ['no nodes', { nodes: [] }],
    ['nodes that are no names', { nodes: [1] }],
    ['a requestId that is no text', { requestId: {} }],
  ])('rejects %s as a message, in one sentence', (_what, value) => {
    expect(parseMessage(value)).toEqual({ ok: false, why: expect.any(String) });
  });

  it.each([[undefined], [null], [{}], [{ by: null }]])('accepts %p as an empty message', (value) => {
    expect(parseMessage(value)).toEqual({ ok: true, message: {} });
  });

  it('truncates user texts and strips control characters', () => {
    const parsed = parseMessage({ by: `\u001b[31m${'x'.repeat(1000)}` });
    expect(parsed.ok && parsed.message.by).toMatch(/^\[31mx+…$/);
    expect(parsed.ok && parsed.message.by).toHaveLength(100);
  });

  it('cancels the follow-up together with the run, and records its end under a number that no other run gets', () => {
    const state = running();
    expect(actOnRequest(state, 'patchNow', { nodes: ['w-1'], by: 'ann', reason: 'CVE' }, T0).run).toBe(2);
    expect(actOnRequest(state, 'cancelRun', { by: 'bob' }, T0)).toEqual({ run: 1, followUp: 2 });
    expect(state.request).toBeNull();
    expect(actOnRequest(state, 'patchNow', { by: 'cid' }, T0)).toMatchObject({ run: 3, started: false, after: 1 });
    const { run } = state;
    if (run !== null) finishRun(state, run, [], 'cancelled', T1);
    expect(state.runs.map(({ number, outcome }) => [number, outcome])).toEqual([
      [1, 'cancelled'],
      [2, 'cancelled'],
    ]);
    expect(state.runs[1]).toMatchObject({
      by: 'ann',
      reason: 'CVE',
      total: 1,
      notTried: 1,
      error: { message: 'cancelled by bob together with run 1, before it started' },
    });
    expect(state.request).toMatchObject({ by: 'cid' });
    expect(state.nextRun).toBe(3);
  });

  it('records a waiting run as cancelled, with the reason, after all its nodes were removed', () => {
    const state = newClusterState(clusterSpec(['w-1', 'w-2']), null, T0);
    actOnRequest(state, 'pause', {}, T0);
    state.request = { id: 'r1', at: '2027-01-01T00:00:00.000Z', nodes: ['w-2'], by: 'ann', reason: null };
    applySpecToState(state, clusterSpec(['w-1']), T1);
    expect(state.request).toBeNull();
    expect(state.nextRun).toBe(2);
    expect(state.runs).toEqual([
      expect.objectContaining({
        number: 1,
        outcome: 'cancelled',
        error: expect.objectContaining({
          message: 'all requested nodes left the cluster before the run began',
        }) as object,
      }),
    ]);
  });

  it('keeps the run in the history however many follow-ups are cancelled, with only the last follow-ups', () => {
    const state = running();
    for (let one = 0; one < 30; one += 1) {
      actOnRequest(state, 'patchNow', {}, T0);
      actOnRequest(state, 'cancelRun', {}, T0);
    }
    const { run } = state;
    if (run === null) throw new Error('the run has ended');
    expect(run.cancelledWith).toHaveLength(19);
    finishRun(state, run, [], 'cancelled', T1);
    expect(state.runs.map(({ number }) => number)).toEqual([1, ...Array.from({ length: 19 }, (_, at) => at + 13)]);
  });

  it('reports that the cancelled run had no follow-up', () => {
    expect(actOnRequest(running(), 'cancelRun', {}, T0)).toEqual({ run: 1, followUp: null });
  });

  it('rejects patchNow while paused, with the requester and the reason of the pause', () => {
    const state = newClusterState(clusterSpec(), null, T0);
    actOnRequest(state, 'pause', { by: 'ann', reason: 'audit' }, T0);
    expect(checkRequest(state, 'patchNow', {}, T0)).toBe(
      `the cluster is paused by ann since ${T0} (audit); resume it first`,
    );
  });

  it('rejects unknown nodes and lists the nodes of the cluster', () => {
    const state = newClusterState(clusterSpec(), null, T0);
    expect(checkRequest(state, 'patchNow', { nodes: ['w-9'] }, T0)).toBe(
      'no such node: w-9; the nodes are cp-1, w-1, w-2',
    );
  });

  it('rejects a cancellation without a run in progress', () => {
    expect(checkRequest(newClusterState(clusterSpec(), null, T0), 'cancelRun', {}, T0)).toMatch(
      /no run is in progress/,
    );
  });

  it('repeats the answer for a repeated request id and does nothing', () => {
    const state = newClusterState(clusterSpec(), null, T0);
    const first = actOnRequest(state, 'patchNow', { requestId: 'r1' }, T0);
    state.request = null;
    state.paused = { at: T0, by: 'ann', reason: null };
    expect(checkRequest(state, 'patchNow', { requestId: 'r1' }, T0)).toBeNull();
    expect(actOnRequest(state, 'patchNow', { requestId: 'r1' }, T1)).toEqual(first);
    expect(state.request).toBeNull();
  });

  it('counts one request id once per kind of request', () => {
    const state = newClusterState(clusterSpec(), null, T0);
    actOnRequest(state, 'pause', { requestId: 'r1' }, T0);
    expect(actOnRequest(state, 'resume', { requestId: 'r1' }, T1)).toMatchObject({ paused: false, changed: true });
    expect(state.paused).toBeNull();
  });

  it.each(['imported', 'eks', 'aks', 'gke', 'managed'] as const)(
    'rejects every request to a cluster of type %s with its reason',
    (type) => {
      const spec: NotPatchableSpec = { apiVersion: 'ospatch/v1', name: 'theirs', type };
      const state = newClusterState(spec, 'a', T0);
      for (const what of ['patchNow', 'pause', 'resume', 'cancelRun'] as const) {
        expect(checkRequest(state, what, {}, T0)).toMatch(/^OS patching is not available/);
      }
      expect(actOnApplySpec(state, { spec, applyId: 'a' }, T0)).toMatchObject({
        result: 'created',
        notice: expect.any(String),
      });
      expect(toStatus(state)).toMatchObject({ state: 'not-patchable', nodes: [], nextWindow: null });
    },
  );

  describe('applySpec', () => {
    it('answers created once, to the call that started the cluster, and unchanged after that', () => {
      const state = newClusterState(clusterSpec(), 'call-1', T0);
      expect(actOnApplySpec(state, { spec: clusterSpec(), applyId: 'call-1' }, T0).result).toBe('created');
      expect(actOnApplySpec(state, { spec: clusterSpec(), applyId: 'call-2' }, T0).result).toBe('unchanged');
    });

    it('recomputes windows only when the schedule changed', () => {
      const state = newClusterState(clusterSpec(), null, T0);
      state.schedule.next = [windowAt(T1)];
      actOnApplySpec(state, { spec: clusterSpec(undefined, { rebootIfRequired: false }), applyId: '' }, T1);
      expect(state.schedule).toMatchObject({ after: T0, next: [windowAt(T1)] });
      const weekly = clusterSpec(undefined, { schedule: [{ preset: 'weekly', startWithin: '1h' }] });
      actOnApplySpec(state, { spec: weekly, applyId: '' }, T1);
      expect(state.schedule).toMatchObject({ after: T1, next: null });
    });

    it('sets the boot patch pending for nodes added after patchOnBoot was enabled, and for no others', () => {
      const state = newClusterState(clusterSpec(['w-1']), null, T0);
      actOnApplySpec(state, { spec: clusterSpec(['w-1'], { patchOnBoot: true }), applyId: '' }, T1);
      actOnApplySpec(state, { spec: clusterSpec(['w-1', 'w-2'], { patchOnBoot: true }), applyId: '' }, T1);
      expect(nodesOf(state.nodes).map(({ name, bootPatch }) => [name, bootPatch])).toEqual([
        ['w-1', 'not-required'],
        ['w-2', 'pending'],
      ]);
    });

    it('drops a pending boot patch when patchOnBoot is disabled', () => {
      const state = newClusterState(clusterSpec(['w-1'], { patchOnBoot: true }), null, T0);
      actOnApplySpec(state, { spec: clusterSpec(['w-1']), applyId: '' }, T1);
      expect(nodesOf(state.nodes)[0]?.bootPatch).toBe('not-required');
    });

    it('answers with short changes, whatever their length', () => {
      const state = newClusterState(clusterSpec(['w-1']), null, T0);
      const labels = { note: 'x'.repeat(1_100_000) };
      const large = { ...clusterSpec(['w-1']), nodes: [nodeSpec('w-1', { labels })] };
      const { changes } = actOnApplySpec(state, { spec: large, applyId: '' }, T1);
      expect(JSON.stringify(changes).length).toBeLessThan(5_000);
    });

    it('forgets removed nodes and keeps the records of the others', () => {
      const state = newClusterState(clusterSpec(['w-1', 'w-2']), null, T0);
      state.nodes = state.nodes.map((node) => ({ ...node, patchedVersion: 'Debian GNU/Linux 12.15' }));
      actOnApplySpec(state, { spec: clusterSpec(['w-2', 'w-3']), applyId: '' }, T1);
      expect(state.nodes.map(({ name, patchedVersion }) => [name, patchedVersion])).toEqual([
        ['w-2', 'Debian GNU/Linux 12.15'],
        ['w-3', null],
      ]);
    });

    it('withdraws the permission to reboot from a run in progress and never grants it', () => {
      const state = running();
      actOnApplySpec(state, { spec: clusterSpec(undefined, { rebootIfRequired: false }), applyId: '' }, T1);
      actOnApplySpec(state, { spec: clusterSpec(undefined, { rebootIfRequired: true }), applyId: '' }, T1);
      expect(state.run?.policy).toMatchObject({ rebootIfRequired: false });
    });

    it('rejects another type or name', () => {
      const state = newClusterState(clusterSpec(), null, T0);
      const eks: NotPatchableSpec = { apiVersion: 'ospatch/v1', name: 'demo', type: 'eks' };
      expect(checkApplySpec(state, { spec: eks, applyId: '' })).toMatch(/type of a cluster cannot be changed/);
      expect(checkApplySpec(state, { spec: clusterSpec(undefined, {}, 'other'), applyId: '' })).toMatch(/cluster demo/);
    });

    it('shows a changed host as a change of that node', () => {
      const state = newClusterState(clusterSpec(['w-1']), null, T0);
      const spec = { ...clusterSpec(['w-1']), nodes: [nodeSpec('w-1', { host: '10.0.0.9' })] };
      expect(actOnApplySpec(state, { spec, applyId: '' }, T1).changes).toEqual([
        { path: 'nodes[w-1].host', before: 'w-1.example', after: '10.0.0.9' },
      ]);
    });
  });

  it('rejects everything once the cluster is being removed', () => {
    const state = running();
    expect(actOnRemove(state, { by: 'ann' }, T1)).toEqual({ run: 1 });
    expect(checkRequest(state, 'patchNow', {}, T0)).toBe('the cluster is being removed by ann');
    expect(checkApplySpec(state, { spec: clusterSpec(), applyId: '' })).toMatch(/being removed/);
    expect(toStatus(state)).toMatchObject({ state: 'removing', run: { state: 'cancelling' } });
  });
});
