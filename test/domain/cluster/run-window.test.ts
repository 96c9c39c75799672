import type { Decision, LoopContext } from '../../../src/domain/cluster/decide';
import { decide as decideOnce, restrictionsFor } from '../../../src/domain/cluster/decide';
import { actOnRequest, actOnSteering, checkRequest, checkSteeringRequest } from '../../../src/domain/cluster/requests';
import { consumed } from '../../../src/domain/cluster/schedule-state';
import type { ActiveRun, ClusterState } from '../../../src/domain/cluster/state';
import {
  closeWindow,
  expireRequest,
  expireRunAside,
  finishRun,
  newClusterState,
  setAsideRun,
  settleNodes,
  startRun,
} from '../../../src/domain/cluster/state';
import { clusterSummary } from '../../../src/domain/cluster/status-pages';
import type { ScheduleEntry } from '../../../src/domain/spec/types';
import { IDLE, clusterSpec, settled, windowAt } from '../../support/builders';

const T0 = '2027-01-01T00:00:00.000Z';
const WEEKLY: ScheduleEntry = { preset: 'weekly', startWithin: '4h', duration: '4h', cutoff: 'forecast' };
const FIRST = { start: '2027-01-03T00:00:00Z', end: '2027-01-03T04:00:00Z' };
const SECOND = { start: '2027-01-10T00:00:00Z', end: '2027-01-10T04:00:00Z' };
const THIRD = { start: '2027-01-24T00:00:00Z', end: '2027-01-24T04:00:00Z' };
const IN_RUN: LoopContext = { ...IDLE, runWorkflowRunning: true };

const at = (time: string): number => Date.parse(time);

/** What the cluster does beside noting that windows have closed. */
function decide(...[state, now, context]: Parameters<typeof decideOnce>): Decision {
  for (;;) {
    const decision = decideOnce(state, now, context);
    if (decision.do !== 'close-window') return decision;
    closeWindow(state, decision.window, new Date(now).toISOString());
  }
}

function scheduled(more: Parameters<typeof clusterSpec>[1] = {}): ClusterState {
  const state = newClusterState(clusterSpec(['w-1', 'w-2', 'w-3'], { schedule: [WEEKLY], ...more }), null, T0);
  const windows = [FIRST, SECOND, THIRD].map(({ start, end }) => windowAt(start, { end, startBy: end }));
  state.schedule = { ...state.schedule, next: windows, loadedAt: T0 };
  return state;
}

function begin(state: ClusterState, decision: Decision, startedAt: string): ActiveRun {
  if (decision.do !== 'start-run') throw new Error(`${decision.do}: ${decision.message}`);
  const { trigger, nodes, policy, by, reason, bound, window, request } = decision.start;
  if (window !== null) state.schedule = consumed(state.schedule, window.at, window.of, Date.parse(window.at));
  if (request !== null) {
    if (state.request === request) state.request = null;
    else delete state.queue;
  }
  return startRun(state, {
    ...{ number: request?.number ?? state.nextRun, trigger, startedAt, by, reason, policy },
    nodes: nodes.map(({ name }) => name),
    ...(bound === true ? { bound } : undefined),
    ...(request?.deadline === undefined ? undefined : { deadline: request.deadline }),
  });
}

/** The run of the first window, suspended at its end after one of three nodes. */
function suspended(more: Parameters<typeof clusterSpec>[1] = {}): { state: ClusterState; run: ActiveRun } {
  const state = scheduled(more);
  const run = begin(state, decide(state, at(FIRST.start), IDLE), FIRST.start);
  const one = settled('w-1');
  settleNodes(state, run, [one], FIRST.end);
  run.suspended = {
    ...{ settled: [one], failures: 0 },
    hold: { kind: 'window', endMs: at(FIRST.end), next: 'w-2', forecast: null },
  };
  return { state, run };
}

describe('src/domain/cluster/run-window', () => {
  it('gives a run the end of its window, and that of the next one once it has begun', () => {
    const { state, run } = suspended();
    const window = (time: string) => restrictionsFor(state, run, at(time)).window;
    expect(window('2027-01-03T01:00:00Z')).toEqual({ endMs: at(FIRST.end), cutoffMs: null, onEnd: 'finish-node' });
    expect(window('2027-01-05T01:00:00Z')).toMatchObject({ endMs: at(FIRST.end) });
    expect(window(SECOND.start)).toMatchObject({ endMs: at(SECOND.end) });
  });

  it('says when a suspended run goes on, and whether the window has room for the rest', () => {
    const { state } = suspended();
    const decision = decide(state, at('2027-01-04T00:00:00Z'), IDLE);
    expect(decision).toMatchObject({ do: 'sleep', untilMs: at(SECOND.start) });
    expect(decision.message).toBe(
      'run 1 is suspended after 1 of 3: its window ended at 2027-01-03T04:00:00Z; the run goes on at 2027-01-10T00:00:00Z and is forecast to need 40m (a guess), which the window has room for',
    );
    expect(clusterSummary(state, '', 0)).toMatchObject({ state: 'waiting', run: { state: 'suspended' } });
  });

  it('continues a suspended run in the next window, and looks at a window only once', () => {
    const { state, run } = suspended();
    expect(decide(state, at(SECOND.start), IDLE)).toMatchObject({
      do: 'skip-window',
      window: { at: SECOND.start, result: 'continues run 1', served: true },
    });
    state.schedule = consumed(state.schedule, SECOND.start, SECOND.start, Date.parse(SECOND.start));
    expect(decide(state, at(SECOND.start), IDLE).do).toBe('resume-run');
    const forecast = { ms: 5 * 3_600_000, from: 'node' } as const;
    run.suspended = {
      ...{ settled: [], failures: 0 },
      hold: { kind: 'window', endMs: at(SECOND.end), next: 'w-2', forecast },
    };
    const decision = decide(state, at('2027-01-10T00:01:00Z'), IDLE);
    expect(decision).toMatchObject({ do: 'sleep', untilMs: at(SECOND.end) });
    expect(decision.message).toContain('w-2 is forecast to take 5h, and the window ends at 2027-01-10T04:00:00Z');
    actOnSteering(state, 'skip', { node: 'w-2' }, '2027-01-10T00:01:00.000Z');
    expect(decide(state, at('2027-01-10T00:01:00Z'), IDLE).do).toBe('resume-run');
  });

  it('ends a run that is too old, before the next window, which starts a new one', () => {
    const { state, run } = suspended({ maxRunAge: '7d' });
    expect(decide(state, at(SECOND.start), IDLE)).toMatchObject({
      do: 'expire-run',
      why: 'it was started 7d ago (patching.maxRunAge)',
    });
    finishRun(state, run, [], 'expired', SECOND.start);
    expect(decide(state, at(SECOND.start), IDLE)).toMatchObject({ do: 'start-run', start: { trigger: 'schedule' } });
  });

  it('leaves a window to a paused cluster that is resumed in time, and records it as missed otherwise', () => {
    const { state } = suspended();
    actOnRequest(state, 'pause', { by: 'ann' }, '2027-01-09T00:00:00.000Z');
    expect(decide(state, at(SECOND.start), IDLE)).toMatchObject({ do: 'sleep', untilMs: at(SECOND.end) });
    expect(decide(state, at(SECOND.end), IDLE)).toMatchObject({ window: { result: 'missed (paused)' } });
    actOnRequest(state, 'resume', {}, '2027-01-10T01:00:00.000Z');
    expect(decide(state, at('2027-01-10T01:00:00Z'), IDLE)).toMatchObject({ window: { result: 'continues run 1' } });
  });

  it('does not say that a run covers a window while it waits for a decision', () => {
    const { state, run } = suspended();
    run.suspended = {
      ...{ settled: [], failures: 2 },
      hold: { kind: 'budget', failures: 2, limit: 0 },
    };
    expect(decide(state, at(SECOND.start), IDLE)).toMatchObject({ do: 'sleep' });
    expect(decide(state, at(SECOND.end), IDLE)).toMatchObject({
      window: { result: 'missed (run 1 waits for a decision)' },
    });
  });

  it('lets a request wait for the next window, unless it ignores windows', () => {
    const state = scheduled();
    expect(actOnRequest(state, 'patchNow', { nodes: ['w-1'], by: 'ann' }, T0)).toMatchObject({
      ...{ run: 1, started: false, after: null, startsAt: '2027-01-03T00:00:00.000Z' },
      waitsFor:
        'the maintenance window of 2027-01-03T00:00:00Z; `ospatch patch demo --ignore-window` starts a run at once',
    });
    expect(decide(state, at(T0), IDLE)).toMatchObject({ do: 'sleep', untilMs: at(FIRST.start) });
    expect(actOnRequest(state, 'patchNow', { nodes: ['w-2'], ignoreWindow: true }, T0)).toMatchObject({
      ...{ run: 2, started: true },
    });
    const now = decide(state, at(T0), IDLE);
    expect(now).toMatchObject({ do: 'start-run', start: { nodes: [{ name: 'w-2' }], request: { number: 2 } } });
    const run = begin(state, now, T0);
    expect(run).toMatchObject({ number: 2 });
    expect(run.bound).toBeUndefined();
    finishRun(state, run, [settled('w-2')], 'succeeded', T0);
    expect(decide(state, at(FIRST.start), IDLE)).toMatchObject({ start: { request: { number: 1 }, bound: true } });
  });

  it('waits for a moment, and gives up at a deadline', () => {
    const state = scheduled({ schedule: undefined as never });
    delete (state.spec as { patching: { schedule?: unknown } }).patching.schedule;
    const times = { notBefore: '2027-01-01T06:00:00Z', deadline: '2027-01-01T08:00:00Z' };
    expect(checkRequest(state, 'patchNow', { ...times, deadline: '2027-01-01T05:00:00Z' }, T0)).toContain('not after');
    expect(checkRequest(state, 'patchNow', times, T0)).toBeNull();
    expect(actOnRequest(state, 'patchNow', times, T0)).toMatchObject({ startsAt: '2027-01-01T06:00:00.000Z' });
    expect(decide(state, at(T0), IDLE)).toMatchObject({ do: 'sleep', untilMs: at(times.notBefore) });
    expect(decide(state, at(times.notBefore), IDLE)).toMatchObject({ do: 'start-run' });
    const late = decide(state, at(times.deadline), IDLE);
    if (late.do !== 'expire-request') throw new Error(late.do);
    expireRequest(state, late.request, times.deadline);
    expect(state.runs.at(-1)).toMatchObject({ number: 1, outcome: 'expired', notTried: 3 });
    actOnRequest(state, 'patchNow', { deadline: '2027-01-01T09:00:00Z' }, times.deadline);
    const run = begin(state, decide(state, at(times.deadline), IDLE), times.deadline);
    expect(restrictionsFor(state, run, at(times.deadline)).window).toMatchObject({ endMs: at('2027-01-01T09:00:00Z') });
    run.suspended = { settled: [], failures: 0 };
    expect(decide(state, at('2027-01-01T09:00:00Z'), IDLE)).toMatchObject({ do: 'expire-run' });
  });

  it('sets a suspended run aside for a request or a boot patch, and takes it up again', () => {
    const { state, run } = suspended();
    const monday = '2027-01-04T00:00:00.000Z';
    actOnRequest(state, 'patchNow', { nodes: ['w-3'], ignoreWindow: true }, monday);
    expect(decide(state, at(monday), IDLE).do).toBe('set-aside-run');
    state.aside = run;
    state.run = null;
    const other = begin(state, decide(state, at(monday), IDLE), monday);
    expect(decide(state, at(monday), IN_RUN)).toMatchObject({ do: 'sleep' });
    finishRun(state, other, [settled('w-3')], 'succeeded', monday);
    expect(decide(state, at(monday), IDLE).do).toBe('take-up-run');
  });

  it('ends a run that is set aside at its deadline or greatest age, and leaves the nodes of the other run alone', () => {
    const { state, run } = suspended();
    run.deadline = '2027-01-05T00:00:00Z';
    const monday = '2027-01-04T00:00:00.000Z';
    actOnRequest(state, 'patchNow', { nodes: ['w-3'], ignoreWindow: true }, monday);
    setAsideRun(state);
    begin(state, decide(state, at(monday), IDLE), monday);
    expect(decide(state, at(monday), IN_RUN)).toMatchObject({ do: 'sleep', untilMs: at(run.deadline) });
    const [aside] = clusterSummary(state, '', 0).queued;
    expect(aside).toMatchObject({
      run: 1,
      state: 'set-aside',
      after: 2,
      deadline: run.deadline,
      expiresAt: run.deadline,
    });
    actOnRequest(state, 'pause', { by: 'ann' }, monday);
    const over = decide(state, at(run.deadline), IN_RUN);
    expect(clusterSummary({ ...state, aside: { ...run, state: 'cancelling' } }, '', 0).queued).toMatchObject([
      { run: 1, state: 'cancelled', message: expect.stringContaining('while it was set aside') },
    ]);
    expect(over).toMatchObject({ do: 'expire-run-aside', why: 'its deadline of 2027-01-05T00:00:00Z has passed' });
    expireRunAside(state, 'its deadline of 2027-01-05T00:00:00Z has passed', run.deadline);
    expect(state.aside).toBeUndefined();
    expect(state.run).toMatchObject({ number: 2 });
    expect(state.runs).toMatchObject([{ number: 1, outcome: 'expired', patched: 1, notTried: 2 }]);
    expect(state.nodes.map((node) => node.state)).toEqual(['patched', 'not-tried', 'waiting']);
    expect(state.nodes[1]?.lastError?.message).toBe(
      'run 1 expired before this node: its deadline of 2027-01-05T00:00:00Z has passed',
    );
  });

  it('expires by its greatest age while it is set aside', () => {
    const { state } = suspended({ maxRunAge: '3d' });
    actOnRequest(state, 'patchNow', { nodes: ['w-3'], ignoreWindow: true }, FIRST.end);
    setAsideRun(state);
    begin(state, decide(state, at(FIRST.end), IDLE), FIRST.end);
    const asleep = decide(state, at(FIRST.end), IN_RUN);
    expect(asleep).toMatchObject({ do: 'sleep', untilMs: at('2027-01-06T00:00:00Z') });
    expect(decide(state, at('2027-01-06T00:00:00Z'), IN_RUN)).toMatchObject({ do: 'expire-run-aside' });
  });

  it('expires while its cluster is paused, and says so before', () => {
    const { state, run } = suspended();
    run.deadline = '2027-01-05T00:00:00Z';
    expect(decide(state, at(FIRST.end), IDLE).message).toContain(
      'the run expires at 2027-01-05T00:00:00Z, its deadline, no later than the next window opens at 2027-01-10T00:00:00Z',
    );
    actOnRequest(state, 'pause', { by: 'ann' }, FIRST.end);
    expect(decide(state, at(FIRST.end), IDLE)).toMatchObject({
      ...{ do: 'sleep', untilMs: at(run.deadline) },
      message: 'run 1 is paused by ann, and expires at 2027-01-05T00:00:00Z',
    });
    expect(decide(state, at(run.deadline), IDLE)).toMatchObject({ do: 'expire-run' });
  });

  it('keeps runs from blackouts, boot runs too, but not those that ignore windows', () => {
    const state = scheduled({ patchOnBoot: true, blackouts: [] });
    state.schedule.blackouts = [{ start: T0, end: '2027-01-02T00:00:00Z', reason: 'release freeze' }];
    expect(decide(state, at(T0), IDLE)).toMatchObject({ do: 'sleep', untilMs: at('2027-01-02T00:00:00Z') });
    expect(actOnRequest(state, 'patchNow', {}, T0).waitsFor).toContain('release freeze');
    expect(decide(state, at('2027-01-02T00:00:00Z'), IDLE)).toMatchObject({ start: { trigger: 'boot' } });
    actOnRequest(state, 'patchNow', { ignoreWindow: true }, T0);
    expect(decide(state, at(T0), IDLE)).toMatchObject({ start: { trigger: 'on-demand' } });
  });

  it('extends the window that is open, and no other', () => {
    const { state, run } = suspended();
    const extend = (now: string) => checkSteeringRequest(state, 'extendWindow', { duration: '90m', by: 'ann' }, now);
    expect(extend('2027-01-04T00:00:00.000Z')).toBe(
      'no maintenance window is open, and the next one begins at 2027-01-10T00:00:00Z; `ospatch patch demo --ignore-window` starts a run at once',
    );
    const now = '2027-01-03T03:50:00.000Z';
    expect(extend(now)).toBeNull();
    expect(actOnSteering(state, 'extendWindow', { duration: '90m', by: 'ann' }, now)).toEqual({
      effect:
        'the window of 2027-01-03T00:00:00Z ends at 2027-01-03T05:30:00Z instead of 2027-01-03T04:00:00Z; run 1 starts nodes that are forecast to end by then',
      run: 1,
    });
    expect(state.schedule.open?.extended).toMatchObject({ by: 'ann' });
    expect(restrictionsFor(state, run, at(now)).window).toMatchObject({ endMs: at('2027-01-03T05:30:00Z') });
    expect(decide(state, at(now), IDLE).do).toBe('resume-run');
    expect(checkSteeringRequest(state, 'extendWindow', { until: '2027-01-03T05:00:00Z' }, now)).toContain('anyway');
  });
});
