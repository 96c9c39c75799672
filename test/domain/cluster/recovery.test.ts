import type { PastEvent } from '../../../src/domain/cluster/recovery';
import * as recovery from '../../../src/domain/cluster/recovery';
import type { ClusterState } from '../../../src/domain/cluster/state';
import { eventsPage } from '../../../src/domain/cluster/event-pages';
import { toHistory } from '../../../src/domain/cluster/status';
import { newClusterState } from '../../../src/domain/cluster/state';
import type { NodeSettled } from '../../../src/domain/node/status';
import type { NodeRunInput, RunResult } from '../../../src/domain/run/run';
import { packState } from '../../../src/domain/cluster/packed-state';
import { validateSpecObject } from '../../../src/domain/spec/parse';
import { newSchedule } from '../../../src/domain/cluster/schedule-state';
import { clusterSpec, runPolicy, settled, windowAt } from '../../support/builders';

const recoverCluster = (state: ClusterState, past: readonly PastEvent[], now: string): recovery.RecoveredCluster =>
  recovery.recoverCluster(state, past, now, { checkSpec: validateSpecObject, runWorkflowId: () => WORKFLOW });
const readStartArgument = (value: unknown, cluster: string, at: string): ClusterState | string =>
  recovery.readStartArgument(value, cluster, at, validateSpecObject);

const T0 = '2027-01-03T00:00:00.000Z';
const T1 = '2027-01-03T00:00:01.000Z';
const T2 = '2027-01-03T01:00:00.000Z';
const WORKFLOW = 'cluster/demo/run/1-x';

function base(): ClusterState {
  return newClusterState(clusterSpec(), 'apply-1', T0);
}

function message(name: string, value?: unknown, identity = ''): PastEvent {
  return { at: T1, kind: 'message', name, value, identity };
}

function started(more: Partial<NodeRunInput> = {}): PastEvent {
  const { nodes } = clusterSpec();
  const input: NodeRunInput = {
    ...{ cluster: 'demo', run: 1, trigger: 'on-demand', startedAt: T1, nodes, resumeFrom: null, restrictions: {} },
    policy: runPolicy(nodes.length),
    ...more,
  };
  return { at: T1, kind: 'run-started', workflowId: WORKFLOW, input };
}

function patched(node: string): NodeSettled {
  return settled(node, { appliedAt: T1, packagesChanged: 1, reading: null });
}

function progress(ends: NodeSettled[], ...started: string[]): PastEvent {
  return message('runProgress', { run: 1, workflowId: WORKFLOW, settled: ends, started });
}

function ended(ends: NodeSettled[], more: Partial<RunResult> = {}): PastEvent {
  const report: RunResult = { end: 'finished', outcome: 'succeeded', cursor: { settled: ends, failures: 0 }, ...more };
  return { at: T2, kind: 'run-ended', run: 1, report };
}

describe('src/domain/cluster/recovery', () => {
  test('keeps who paused, locked and cancelled, by the client where the message does not say', () => {
    const state = base();
    state.request = { id: 'r', at: T0, nodes: null, by: 'zoe', reason: null, number: 1 };
    recoverCluster(
      state,
      [
        message('cancelRun', { reason: 'too early' }, '4711@ci'),
        message('lock', { node: 'w-1', reason: 'disk' }, 'temporal-cli:bob@laptop'),
        message('pause', { by: 'cid' }, '4711@ci'),
      ],
      T2,
    );
    expect(toHistory(state).requests.map(({ request, by, reason }) => [request, by, reason])).toEqual([
      ['cancelRun', '4711@ci', 'too early'],
      ['lock', 'temporal-cli:bob@laptop', 'disk'],
      ['pause', 'cid', null],
    ]);
    // What was cancelled is not started after the recovery.
    expect(state.request).toBeNull();
  });

  test('keeps what was counted, so that no counter goes down', () => {
    const gates = { pass: 3, fail: 1 };
    const { state, lost } = recoverCluster(
      base(),
      [
        started(),
        message('runProgress', { run: 1, workflowId: WORKFLOW, settled: [], started: ['w-1'], gates }),
        message('notified', { createdAt: T0, target: 'ops', about: 'run 1', result: 'delivered' }),
        message('notified', { createdAt: T0, target: 'ops', about: 'run 1', result: 'unheard of' }),
        ended([patched('w-1')]),
      ],
      T2,
    );
    expect(state.totals?.counts).toMatchObject({
      ...{ gates: { 'alerts|pass': 3, 'alerts|fail': 1 }, notifications: { 'ops|delivered': 1 } },
      runs: { 'on-demand|succeeded': 1 },
    });
    expect(lost).toEqual([]);
  });

  test('keeps locks and what was steered in a run; a steering request that was refused changes nothing', () => {
    const failed = settled('w-1', { outcome: 'failed', workflowRunId: 'r' });
    const { state, kept } = recoverCluster(
      base(),
      [
        message('lock', { node: 'w-2', by: 'me', reason: 'disk' }),
        message('lock', { node: 'cp-1', by: 'me', reason: 'disk' }),
        message('unlock', { node: 'cp-1', by: 'you' }),
        message('setMaxFailures', { maxFailures: 2, by: 'no run yet' }),
        started(),
        ended([failed], { end: 'suspended', cursor: { settled: [failed], failures: 1 } }),
        message('setMaxFailures', { maxFailures: 1, by: 'me' }),
        message('retry', { node: 'w-1', by: 'me' }),
      ],
      T2,
    );
    expect(kept.map(({ name, by }) => [name, by])).toEqual([
      ['lock', 'me'],
      ['lock', 'me'],
      ['unlock', 'you'],
      ['setMaxFailures', 'me'],
      ['retry', 'me'],
    ]);
    expect(state.nodes.map((node) => ('lock' in node ? node.lock : null))).toEqual([
      null,
      null,
      { at: T1, by: 'me', reason: 'disk', until: null },
    ]);
    expect(state.run).toMatchObject({
      policy: { limits: { maxFailures: 1 } },
      retried: { 'w-1': 1 },
      suspended: { settled: [], failures: 0 },
    });
  });

  test('keeps specs and pauses in force; requests without a run are lost and not repeated', () => {
    const spec = clusterSpec(undefined, { rebootIfRequired: false });
    const { state, kept, lost, run } = recoverCluster(
      base(),
      [
        message('applySpec', { applyId: 'apply-1', by: 'git' }),
        message('applySpec', { spec, applyId: 'apply-2', by: 'git' }),
        message('pause', { by: 'me', reason: 'freeze' }),
        message('patchNow', { nodes: ['w-1'], by: 'you' }),
        message('remove', { by: 'you' }),
        message('patchNow', 'garbage, which was refused'),
        message('unheardOf', {}),
        { at: T1, kind: 'unreadable', name: 'patchNow' },
      ],
      T2,
    );
    expect(state).toMatchObject({
      spec,
      paused: { at: T1, by: 'me', reason: 'freeze' },
      removing: null,
      request: null,
    });
    expect(kept.map(({ name, by }) => [name, by])).toEqual([
      ['applySpec', 'git'],
      ['pause', 'me'],
    ]);
    expect(lost.map(({ name, nodes }) => [name, nodes])).toEqual([
      ['patchNow', ['w-1']],
      ['remove', null],
      ['patchNow', null],
    ]);
    expect(run).toBeNull();
  });

  test('does not apply a spec of another cluster or an invalid one', () => {
    const { state, kept, lost } = recoverCluster(
      base(),
      [
        message('applySpec', { spec: clusterSpec([], {}, 'other') }),
        message('applySpec', { spec: 7 }),
        message('applySpec'),
      ],
      T2,
    );
    expect(state.spec).toEqual(clusterSpec());
    expect([kept.length, lost.length]).toEqual([0, 1]);
  });

  test('keeps a request whose run began, with number, requester and results', () => {
    const all = ['w-1', 'w-2', 'cp-1'].map(patched);
    const { state, lost } = recoverCluster(
      base(),
      [message('patchNow', { by: 'me', reason: 'CVE' }), started(), progress(all.slice(0, 1), 'w-2'), ended(all)],
      T2,
    );
    expect(lost).toEqual([]);
    expect(state).toMatchObject({ run: null, nextRun: 2 });
    expect(state.runs).toMatchObject([
      { number: 1, outcome: 'succeeded', by: 'me', reason: 'CVE', patched: 3, endedAt: T2 },
    ]);
    expect(state.nodes.map((node) => node.state)).toEqual(['patched', 'patched', 'patched']);
  });

  test('ends a run in progress: known results of nodes stay, and the node in progress gets no invented result', () => {
    const { state, run } = recoverCluster(base(), [started(), progress([patched('w-1')], 'w-2')], T2);
    expect(run).toEqual({ number: 1, workflowId: WORKFLOW, nodesInWork: ['w-2'] });
    expect(state).toMatchObject({
      run: null,
      nextRun: 2,
      runs: [{ outcome: 'cancelled', patched: 1, failed: 1, notTried: 1 }],
    });
    expect(state.nodes.map((node) => [node.name, node.state])).toEqual([
      ['cp-1', 'not-tried'],
      ['w-1', 'patched'],
      ['w-2', 'failed'],
    ]);
    expect(state.nodes[2]?.lastError?.message).toContain('its progress is unknown');
  });

  test('ignores the progress of a run of another cluster with the same name', () => {
    const foreign = message('runProgress', {
      run: 1,
      workflowId: 'cluster/demo/run/1-y',
      settled: [patched('w-1')],
      started: [],
    });
    const { state } = recoverCluster(base(), [started(), foreign], T2);
    expect(state.nodes[1]?.state).not.toBe('patched');
  });

  test('keeps a suspended run suspended, under the same number', () => {
    const suspended = ended([patched('w-1')], { end: 'suspended' });
    const { state, run } = recoverCluster(base(), [message('pause'), started(), suspended], T2);
    expect(run).toBeNull();
    expect(state.run).toMatchObject({
      number: 1,
      suspended: { settled: [{ node: 'w-1' }] },
      done: { 'w-1': 'patched' },
    });
    const again = recoverCluster(state, [started(), ended(['w-1', 'w-2', 'cp-1'].map(patched))], T2);
    expect(again.state).toMatchObject({ run: null, nextRun: 2, runs: [{ number: 1, patched: 3 }] });
  });

  test('neither repeats nor marks as missed the window of a run that began', () => {
    const state = base();
    state.schedule = {
      ...newSchedule(T0),
      since: '2026-12-01T00:00:00.000Z',
      after: '2026-12-27T00:00:00.000Z',
      next: [windowAt(T0), windowAt('2027-01-10T00:00:00.000Z')],
      error: null,
      retryAt: null,
    };
    const { state: after } = recoverCluster(state, [started({ trigger: 'schedule' })], T2);
    expect(after.schedule).toMatchObject({ since: '2026-12-01T00:00:00.000Z', after: T1, next: null });
    expect(toHistory(after).windows).toEqual([{ at: T0, result: 'run 1' }]);
  });

  test('keeps who recovered the cluster, what was done before, and tells readers that numbers are given anew', () => {
    const { state } = recoverCluster(base(), [message('pause', { by: 'ann', reason: 'freeze' })], T2);
    recovery.noteRecovery(state, 'bob', null, T2);
    recovery.noteRecovery(state, 'cid', T1, T2);
    expect(toHistory(state).requests.map(({ request, by, result }) => [request, by, result])).toEqual([
      ['pause', 'ann', 'no run and no node is started until a resume'],
      ['recover', 'bob', 'recovered from its history'],
      ['recover', 'cid', `recovered from the backup of ${T1}, so later events are not known`],
    ]);
    expect(state.events).toMatchObject({ life: T2, lifeFrom: state.events.next - 1 });
  });

  test('reads the remaining events after a nonsensical one', () => {
    const odd = { at: T1, kind: 'run-ended', run: 1, report: { end: 'finished' } } as unknown as PastEvent;
    const { state } = recoverCluster(base(), [started(), odd, message('pause', { by: 'me' })], T2);
    expect(state.paused).toMatchObject({ by: 'me' });
  });

  test('reads a start argument only if this version can continue from the state', () => {
    const state = base();
    const packed = packState(state);
    expect(readStartArgument({ state: packed }, 'demo', T0)).toEqual(state);
    const created = readStartArgument({ spec: clusterSpec(), applyId: 'apply-1', by: 'ann' }, 'demo', T0);
    expect(created).toMatchObject({ createdBy: 'apply-1' });
    expect(eventsPage(created as ClusterState, {}).events).toMatchObject([{ request: 'applySpec', by: 'ann' }]);
    const read = (value: unknown): unknown => readStartArgument(value, 'demo', T0);
    expect(read({ state: { ...packed, version: 99 } })).toMatch(
      /has version 99, and this release reads versions up to \d+/,
    );
    expect(readStartArgument({ state: packed }, 'other', T0)).toBe('the state belongs to cluster demo');
    expect(readStartArgument({ spec: clusterSpec() }, 'other', T0)).toBe('the state belongs to cluster demo');
    expect(read({ state: {} })).toBe('the content is not the state of a cluster');
    expect(read({ state: { ...packed, nodes: [7] } })).toBe('the state is damaged');
    for (const value of [undefined, null, 'x', 7, [], { spec: { name: 'demo' } }])
      expect(typeof read(value)).toBe('string');
  });
});
