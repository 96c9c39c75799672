import type { ClusterState } from '../../../src/domain/cluster/state';
import {
  closeWindow,
  finishRun,
  newClusterState,
  noteNodesPrefetched,
  noteRefresh,
  startRun,
} from '../../../src/domain/cluster/state';
import type { Decision, LoopContext, RunStart } from '../../../src/domain/cluster/decide';
import { decide, restrictionsFor } from '../../../src/domain/cluster/decide';
import { eventText } from '../../../src/domain/cluster/event-text';
import { eventsOf } from '../../../src/domain/cluster/events';
import { actOnRequest } from '../../../src/domain/cluster/requests';
import type { ScheduleEntry, SelfManagedSpec } from '../../../src/domain/spec/types';
import type { ScheduleState } from '../../../src/domain/cluster/schedule-state';
import { consumed, withAhead, withError } from '../../../src/domain/cluster/schedule-state';
import { IDLE, ahead, clusterSpec, settled, windowAt } from '../../support/builders';
import { nodesOf } from '../../support/members';

const T0 = '2027-01-01T00:00:00.000Z';
const WEEKLY: ScheduleEntry = { preset: 'weekly', startWithin: '1h' };
const SUNDAY = '2027-01-03T00:00:00Z';
const NEXT_SUNDAY = '2027-01-10T00:00:00Z';
const IN_RUN: LoopContext = { ...IDLE, runWorkflowRunning: true };

function scheduled(spec: SelfManagedSpec = clusterSpec(undefined, { schedule: [WEEKLY] })): ClusterState {
  const state = newClusterState(spec, null, T0);
  state.schedule.next = [windowAt(SUNDAY), windowAt(NEXT_SUNDAY)];
  return state;
}

function at(time: string): number {
  return Date.parse(time);
}

function begin(state: ClusterState, decision: Decision): void {
  if (decision.do !== 'start-run') throw new Error(`expected start-run, got ${decision.do}`);
  const { trigger, nodes, policy, by, reason } = decision.start;
  startRun(state, {
    number: state.nextRun,
    trigger,
    startedAt: T0,
    by,
    reason,
    nodes: nodes.map((node) => node.name),
    policy,
  });
  if (trigger === 'on-demand') state.request = null;
}

function startOf(decision: Decision): RunStart {
  if (decision.do !== 'start-run') throw new Error(`expected start-run, got ${decision.do}`);
  return decision.start;
}

describe('src/domain/cluster/decide', () => {
  it('loads the next windows first when there is a schedule', () => {
    const state = newClusterState(clusterSpec(undefined, { schedule: [WEEKLY], patchOnBoot: true }), null, T0);
    expect(decide(state, at(T0), IDLE).do).toBe('load-windows');
  });

  it('keeps working without windows when the schedule is unreadable', () => {
    const state = newClusterState(clusterSpec(undefined, { schedule: [WEEKLY] }), null, T0);
    state.schedule = { ...state.schedule, error: 'no such zone', retryAt: '2027-01-01T01:00:00.000Z' };
    expect(decide(state, at(T0), IDLE)).toMatchObject({ do: 'sleep', untilMs: at('2027-01-01T01:00:00Z') });
    actOnRequest(state, 'patchNow', {}, T0);
    expect(decide(state, at(T0), IDLE)).toMatchObject({ do: 'start-run', start: { trigger: 'on-demand' } });
    expect(decide(state, at('2027-01-01T01:00:00Z'), IDLE).do).toBe('load-windows');
  });

  it('reports what the cluster waits for: a window or a request', () => {
    expect(decide(scheduled(), at(T0), IDLE).message).toBe('no run starts before the next window');
    const onDemand = newClusterState(clusterSpec(), null, T0);
    expect(decide(onDemand, at(T0), IDLE).message).toBe('no run starts before one is requested');
    onDemand.schedule.error = 'no such zone';
    onDemand.schedule.retryAt = '2027-01-01T01:00:00.000Z';
    expect(decide(onDemand, at(T0), IDLE).message).toBe(
      'no run starts by schedule, because the next windows are not known',
    );
  });

  it('sleeps until the next window, then starts a run of all nodes, workers first', () => {
    const state = scheduled();
    expect(decide(state, at(T0), IDLE)).toMatchObject({ do: 'sleep', untilMs: at(SUNDAY) });
    const decision = decide(state, at(SUNDAY), IDLE);
    expect(decision).toMatchObject({
      do: 'start-run',
      start: { trigger: 'schedule', window: { at: SUNDAY, result: 'run 1' } },
    });
    if (decision.do === 'start-run')
      expect(decision.start.nodes.map((node) => node.name)).toEqual(['w-1', 'w-2', 'cp-1']);
  });

  it('starts late within startWithin and records the window as missed after that', () => {
    expect(decide(scheduled(), at('2027-01-03T01:00:00Z'), IDLE)).toMatchObject({
      do: 'start-run',
      start: { window: { result: 'run 1, late' } },
    });
    expect(decide(scheduled(), at('2027-01-03T01:00:01Z'), IDLE)).toMatchObject({
      do: 'skip-window',
      window: { at: SUNDAY },
    });
  });

  it('starts as late as the window lasts, and records the window as missed once it is over', () => {
    const state = scheduled();
    state.schedule.next = [{ start: SUNDAY, end: '2027-01-03T04:00:00Z', cutoff: null }];
    expect(decide(state, at('2027-01-03T03:59:59Z'), IDLE)).toMatchObject({
      do: 'start-run',
      start: { window: { result: 'run 1, late' } },
    });
    expect(decide(state, at('2027-01-03T04:00:00Z'), IDLE)).toMatchObject({
      do: 'skip-window',
      window: { result: 'missed (no worker was running in time)' },
    });
  });

  it('says that a window has closed at its end, once, also during a run or a blackout in the window', () => {
    const end = '2027-01-03T04:00:00Z';
    const window = { start: SUNDAY, end, cutoff: null };
    const state = scheduled();
    state.schedule = consumed({ ...state.schedule, next: [window, windowAt(NEXT_SUNDAY)] }, SUNDAY, null, at(SUNDAY));
    for (const context of [IDLE, IN_RUN]) {
      expect(decide(state, at(SUNDAY), IDLE)).toMatchObject({ do: 'sleep', untilMs: at(end) });
      expect(decide(state, at(end), context)).toMatchObject({ do: 'close-window', window });
    }
    const interrupted = structuredClone(state);
    interrupted.schedule.next?.unshift({ start: '2027-01-03T05:00:00Z', end: null, cutoff: null, partOf: SUNDAY });
    for (const [one, text] of [
      [state, `window of ${SUNDAY} closed`],
      [interrupted, `window of ${SUNDAY} closed by a blackout, open again at 2027-01-03T05:00:00Z`],
    ] as const) {
      closeWindow(one, { ...window }, end);
      expect(eventsOf(one.events, 'windows').map((event) => eventText(event, 'node'))).toEqual([text]);
      expect(decide(one, at(end), IDLE)).toMatchObject({ do: 'sleep' });
    }
  });

  it('tells nothing of the end of a window that had passed before anybody looked', () => {
    const state = scheduled();
    const window = { start: SUNDAY, end: '2027-01-03T04:00:00Z', cutoff: null };
    state.schedule = consumed(
      { ...state.schedule, next: [window, windowAt(NEXT_SUNDAY)] },
      SUNDAY,
      null,
      at('2027-01-04T00:00:00Z'),
    );
    expect(decide(state, at('2027-01-04T00:00:00Z'), IDLE)).toMatchObject({ do: 'sleep' });
  });

  it('records a window during a pause as missed and starts nothing', () => {
    const state = scheduled();
    actOnRequest(state, 'pause', { by: 'ann' }, T0);
    expect(decide(state, at(T0), IDLE)).toMatchObject({ do: 'sleep', untilMs: at(SUNDAY), message: 'paused by ann' });
    expect(decide(state, at(SUNDAY), IDLE)).toMatchObject({
      do: 'skip-window',
      window: { result: 'missed (paused)' },
    });
  });

  it('lets a run of all nodes cover a window that opens during the run', () => {
    const state = scheduled();
    actOnRequest(state, 'patchNow', {}, T0);
    begin(state, decide(state, at(T0), IDLE));
    expect(decide(state, at(SUNDAY), IN_RUN)).toMatchObject({
      do: 'skip-window',
      window: { result: 'covered by run 1', served: true },
    });
  });

  describe('with blackouts', () => {
    const FREEZE = { from: '2026-12-20T00:00', to: '2027-01-03T02:00', reason: 'freeze' };
    const patching = { schedule: [WEEKLY], blackouts: [FREEZE] };
    const LATER = '2027-01-03T02:00:00Z';
    const part = { start: LATER, end: '2027-01-03T06:00:00Z', cutoff: null, partOf: SUNDAY };
    const known = { loadedAt: T0, refreshAt: '2027-01-20T00:00:00Z' };

    function frozen(more: Partial<ScheduleState>, spec = clusterSpec(undefined, patching)): ClusterState {
      const state = scheduled(spec);
      state.schedule = { ...state.schedule, ...known, ...more };
      return state;
    }

    it('begins the run of a window in the part that is left, and none in a later part of the same window', () => {
      const state = frozen({ next: [part, windowAt(NEXT_SUNDAY)] });
      expect(decide(state, at(SUNDAY), IDLE)).toMatchObject({ do: 'sleep', untilMs: at(LATER) });
      expect(decide(state, at(LATER), IDLE)).toMatchObject({
        do: 'start-run',
        start: { window: { at: LATER, of: SUNDAY, result: 'run 1', served: true } },
      });
      state.schedule.served = SUNDAY;
      expect(decide(state, at(LATER), IDLE)).toMatchObject({
        do: 'skip-window',
        window: { at: LATER, of: SUNDAY, result: null },
      });
    });

    it('records a window of which nothing is left as missed, with the reason, in order of time', () => {
      const removed = [{ start: SUNDAY, end: LATER, reason: 'freeze' }];
      const state = frozen({ next: [windowAt(NEXT_SUNDAY)], removed });
      expect(decide(state, at(T0), IDLE)).toMatchObject({ do: 'sleep', untilMs: at(SUNDAY) });
      expect(decide(state, at(SUNDAY), IDLE)).toMatchObject({
        do: 'skip-window',
        window: { at: SUNDAY, result: 'missed (blackout: freeze)', served: false },
      });
      expect(decide(frozen({ next: [windowAt(T0)], removed }), at(SUNDAY), IDLE)).toMatchObject({
        window: { at: T0 },
      });
    });

    it('computes windows and blackouts anew when what is known ends, also during a run', () => {
      const state = frozen({ next: [windowAt('2027-03-01T00:00:00Z')] });
      expect(decide(state, at(T0), IDLE)).toMatchObject({ do: 'sleep', untilMs: at('2027-01-20T00:00:00Z') });
      expect(decide(state, at('2027-01-20T00:00:00Z'), IDLE).do).toBe('load-windows');
      begin(state, { do: 'start-run', message: '', start: startOf(decide(scheduled(), at(SUNDAY), IDLE)) });
      expect(decide(state, at(T0), IN_RUN)).toMatchObject({ do: 'sleep', untilMs: at('2027-01-20T00:00:00Z') });
    });

    describe('from calendar files', () => {
      const spec = clusterSpec(undefined, { schedule: [WEEKLY], blackouts: [{ ical: 'freeze.ics' }] });
      const bounded = { start: SUNDAY, end: '2027-01-03T04:00:00Z', cutoff: null };
      const error = 'the calendar freeze.ics cannot be read';

      it('reads them again before anything is started, unless that was just done', () => {
        const state = frozen({ next: [bounded] }, spec);
        expect(decide(state, at(SUNDAY), IDLE).do).toBe('load-windows');
        state.schedule.loadedAt = '2027-01-02T23:55:00Z';
        expect(decide(state, at(SUNDAY), IDLE).do).toBe('start-run');
      });

      it('begins no window while they cannot be read, late when they can, and says why the window was missed', () => {
        const unread = withError(frozen({ next: [bounded] }, spec).schedule, error, at(SUNDAY), true);
        const state = frozen(unread, spec);
        expect(decide(state, at(SUNDAY), IDLE)).toMatchObject({
          do: 'sleep',
          untilMs: at('2027-01-03T00:05:00Z'),
          message: `the window of ${SUNDAY} cannot begin: ${error}`,
        });
        expect(decide(state, at('2027-01-03T00:05:00Z'), IDLE).do).toBe('load-windows');
        const again = withAhead(state.schedule, ahead([bounded]), at('2027-01-03T03:00:00Z'), true);
        expect(decide(frozen(again, spec), at('2027-01-03T03:00:00Z'), IDLE)).toMatchObject({
          start: { window: { result: 'run 1, late' } },
        });
        const over = at('2027-01-03T04:00:00Z');
        const tooLate = withAhead(state.schedule, ahead([bounded]), over, true);
        expect(decide(frozen(tooLate, spec), over, IDLE)).toMatchObject({
          window: { result: 'missed (its blackouts were not known)' },
        });
      });
    });
  });

  it('keeps a window for the nodes left out of a partial run, and starts that run afterwards', () => {
    const state = scheduled();
    actOnRequest(state, 'patchNow', { nodes: ['w-1'] }, T0);
    begin(state, decide(state, at(T0), IDLE));
    expect(decide(state, at(SUNDAY), IN_RUN)).toMatchObject({ do: 'sleep', untilMs: null });
    if (state.run !== null) finishRun(state, state.run, [settled('w-1')], 'succeeded', '2027-01-03T00:20:00.000Z');
    expect(decide(state, at('2027-01-03T00:20:00Z'), IDLE)).toMatchObject({
      do: 'start-run',
      start: { trigger: 'schedule' },
    });
  });

  it('starts one boot run of exactly the nodes with a pending boot patch', () => {
    const state = newClusterState(clusterSpec(undefined, { patchOnBoot: true }), null, T0);
    state.nodes = state.nodes.map((node) => (node.name === 'w-2' ? { ...node, bootPatch: 'done' } : node));
    const decision = decide(state, at(T0), IDLE);
    expect(decision).toMatchObject({ do: 'start-run', start: { trigger: 'boot' } });
    if (decision.do === 'start-run') expect(decision.start.nodes.map((node) => node.name)).toEqual(['w-1', 'cp-1']);
  });

  it('allows new machines 30 min to become reachable, whatever the configured timeout', () => {
    const state = newClusterState(clusterSpec(undefined, { patchOnBoot: true, unreachableTimeout: '1m' }), null, T0);
    expect(decide(state, at(T0), IDLE)).toMatchObject({ start: { policy: { unreachableTimeoutMs: 30 * 60_000 } } });
  });

  it('starts no second boot run after one that stopped or was cancelled', () => {
    const state = newClusterState(clusterSpec(undefined, { patchOnBoot: true }), null, T0);
    begin(state, decide(state, at(T0), IDLE));
    const ends = [
      settled('w-1', { outcome: 'failed' }),
      settled('w-2', { outcome: 'not-tried' }),
      settled('cp-1', { outcome: 'cancelled', appliedAt: null }),
    ];
    if (state.run !== null) finishRun(state, state.run, ends, 'stopped', T0);
    expect(nodesOf(state.nodes).map((node) => node.bootPatch)).toEqual(['failed', 'failed', 'failed']);
    expect(decide(state, at(T0), IDLE).do).toBe('sleep');
  });

  it('starts a request before a window of the same instant, so that the answered run number holds', () => {
    const state = scheduled();
    const answer = actOnRequest(state, 'patchNow', { by: 'ann' }, SUNDAY);
    expect(answer).toMatchObject({ run: 1, started: true, after: null });
    expect(decide(state, at(SUNDAY), IDLE)).toMatchObject({
      do: 'start-run',
      start: { trigger: 'on-demand', by: 'ann' },
    });
  });

  it('merges requests during a run into one follow-up run', () => {
    const state = scheduled();
    actOnRequest(state, 'patchNow', {}, T0);
    begin(state, decide(state, at(T0), IDLE));
    expect(actOnRequest(state, 'patchNow', { nodes: ['w-1'], by: 'ann' }, T0)).toMatchObject({
      run: 2,
      started: false,
      after: 1,
    });
    expect(actOnRequest(state, 'patchNow', { nodes: ['w-2'], by: 'bob' }, T0)).toMatchObject({
      run: 2,
      started: false,
      after: 1,
    });
    expect(state.request).toMatchObject({ nodes: ['w-1', 'w-2'], by: 'ann, bob' });
    actOnRequest(state, 'patchNow', {}, T0);
    expect(state.request).toMatchObject({ nodes: null });
  });

  it('suspends a paused run and resumes that run', () => {
    const state = scheduled();
    actOnRequest(state, 'patchNow', {}, T0);
    begin(state, decide(state, at(T0), IDLE));
    state.request = null;
    actOnRequest(state, 'pause', {}, T0);
    if (state.run !== null) {
      expect(restrictionsFor(state, state.run, 0).paused).toBe(true);
      state.run.suspended = { settled: [settled('w-1')], failures: 0 };
    }
    expect(decide(state, at(T0), IDLE)).toMatchObject({ do: 'sleep' });
    actOnRequest(state, 'resume', {}, T0);
    expect(decide(state, at(T0), IDLE).do).toBe('resume-run');
  });

  it('lets its run workflow end a paused run that is cancelled, so that there is a result of every node', () => {
    const state = scheduled();
    actOnRequest(state, 'patchNow', {}, T0);
    begin(state, decide(state, at(T0), IDLE));
    if (state.run !== null) state.run.suspended = { settled: [], failures: 0 };
    actOnRequest(state, 'pause', {}, T0);
    actOnRequest(state, 'cancelRun', {}, T0);
    expect(decide(state, at(T0), IDLE).do).toBe('resume-run');
    if (state.run !== null) state.run.nodeGroupsUnresolved = true;
    expect(decide(state, at(T0), IDLE).do).toBe('abort-suspended-run');
  });

  it('refreshes reboot-pending nodes every six hours', () => {
    const { reading } = settled('w-1');
    const owed = reading === null ? null : { ...reading, rebootRequired: true };
    const state = newClusterState(clusterSpec(), null, T0);
    actOnRequest(state, 'patchNow', {}, T0);
    begin(state, decide(state, at(T0), IDLE));
    state.request = null;
    const ends = ['w-1', 'w-2', 'cp-1'].map((name) =>
      name === 'w-1' ? settled(name, { outcome: 'reboot-pending', reading: owed }) : settled(name),
    );
    if (state.run !== null) finishRun(state, state.run, ends, 'succeeded', T0);
    expect(decide(state, at(T0), IDLE)).toMatchObject({ do: 'sleep', untilMs: at('2027-01-01T06:00:00Z') });
    expect(decide(state, at('2027-01-01T06:00:00Z'), IDLE)).toMatchObject({ do: 'refresh-facts', nodes: ['w-1'] });
    expect(decide(state, at('2027-01-01T06:00:00Z'), { ...IDLE, refreshingFacts: true }).do).toBe('sleep');
  });

  it('refreshes thousands of reboot-pending nodes in batches, with continue-as-new possible in between', () => {
    const names = Array.from({ length: 450 }, (_, index) => `w-${index}`);
    const state = newClusterState(clusterSpec(names), null, T0);
    state.nodes = state.nodes.map((node) => ({ ...node, state: 'not-tried', rebootRequired: true }));
    const parts: string[][] = [];
    for (let look = decide(state, at(T0), IDLE); look.do === 'refresh-facts'; look = decide(state, at(T0), IDLE)) {
      expect(decide(state, at(T0), { ...IDLE, continueAsNewDue: true }).do).toBe('continue-as-new');
      parts.push(look.nodes);
      noteRefresh(state, look.nodes.at(-1) ?? '', look.rest, T0);
    }
    expect(parts.map(({ length }) => length)).toEqual([200, 200, 50]);
    expect(parts.flat()).toEqual(state.nodes.map(({ name }) => name));
    expect(decide(state, at('2027-01-01T06:00:00Z'), IDLE)).toMatchObject({ do: 'refresh-facts', rest: 250 });
  });

  it('prefetches packages once, at the configured lead before a window, and not while paused', () => {
    const state = scheduled(clusterSpec(['w-1'], { prefetch: { beforeWindow: '6h' }, schedule: [WEEKLY] }));
    const window = SUNDAY;
    const due = at('2027-01-02T18:00:00Z');
    expect(decide(state, at(T0), IDLE)).toMatchObject({ do: 'sleep', untilMs: due });
    expect(decide(state, due, IDLE)).toMatchObject({ do: 'prefetch', window });
    expect(decide(state, due, { ...IDLE, prefetching: true })).toMatchObject({ do: 'sleep', untilMs: at(window) });
    expect(decide({ ...state, paused: { at: T0, by: 'me', reason: null } }, due, IDLE).do).toBe('sleep');
    expect(decide({ ...state, prefetchedFor: window }, due, IDLE)).toMatchObject({ do: 'sleep', untilMs: at(window) });
  });

  it('prefetches thousands of nodes in slices, between which the cluster may continue as new', () => {
    const names = Array.from({ length: 450 }, (_, index) => `w-${index}`);
    const state = scheduled(clusterSpec(names, { prefetch: { beforeWindow: '6h' }, schedule: [WEEKLY] }));
    const due = at('2027-01-02T18:00:00Z');
    const parts: string[][] = [];
    for (let part = decide(state, due, IDLE); part.do === 'prefetch'; part = decide(state, due, IDLE)) {
      expect(decide(state, due, { ...IDLE, continueAsNewDue: true }).do).toBe('continue-as-new');
      parts.push(part.nodes);
      noteNodesPrefetched(state, part.window, part.nodes.at(-1), part.rest);
    }
    expect(parts.map(({ length }) => length)).toEqual([200, 200, 50]);
    expect(parts.flat()).toEqual(names);
    expect(decide(state, due, IDLE)).toMatchObject({ do: 'sleep', untilMs: at(SUNDAY) });
  });

  it('restarts a prefetch whose last node has left the spec, and drops one for another window', () => {
    const state = scheduled(clusterSpec(['w-1', 'w-2'], { prefetch: { beforeWindow: '6h' }, schedule: [WEEKLY] }));
    const due = at('2027-01-02T18:00:00Z');
    noteNodesPrefetched(state, SUNDAY, 'w-9', 1);
    expect(decide(state, due, IDLE)).toMatchObject({ do: 'prefetch', nodes: ['w-1', 'w-2'], rest: 0 });
    noteNodesPrefetched(state, '2026-12-27T00:00:00.000Z', 'w-1', 1);
    expect(decide(state, due, IDLE)).toMatchObject({ do: 'prefetch', nodes: ['w-1', 'w-2'], rest: 0 });
    noteNodesPrefetched(state, SUNDAY, 'w-1', 1);
    expect(decide(state, due, IDLE)).toMatchObject({ do: 'prefetch', nodes: ['w-2'], rest: 0 });
  });

  it('prefetches nothing on a node in quarantine', () => {
    const state = scheduled(clusterSpec(['w-1', 'w-2'], { prefetch: { beforeWindow: '6h' }, schedule: [WEEKLY] }));
    const quarantine = { type: 'HostKeyMismatch', message: 'w-1 shows another host key' } as const;
    state.nodes = state.nodes.map((node) => (node.name === 'w-1' ? { ...node, quarantine } : node));
    expect(decide(state, at('2027-01-02T18:00:00Z'), IDLE)).toMatchObject({ do: 'prefetch', nodes: ['w-2'], rest: 0 });
  });

  it('still refreshes a reboot-pending node after a later run skipped that node', () => {
    const state = newClusterState(clusterSpec(['w-1']), null, T0);
    state.nodes = state.nodes.map((node) => ({ ...node, state: 'not-tried', rebootRequired: true }));
    expect(decide(state, at(T0), IDLE)).toMatchObject({ do: 'refresh-facts', nodes: ['w-1'] });
  });

  it('does not let a run in cancellation cover a window', () => {
    const state = scheduled();
    actOnRequest(state, 'patchNow', {}, T0);
    begin(state, decide(state, at(T0), IDLE));
    actOnRequest(state, 'cancelRun', {}, T0);
    expect(decide(state, at(SUNDAY), IN_RUN).do).toBe('sleep');
  });

  it('continues as new only when idle', () => {
    const due = { ...IDLE, continueAsNewDue: true };
    expect(decide(scheduled(), at(T0), due).do).toBe('continue-as-new');
    expect(decide(scheduled(), at(SUNDAY), due).do).toBe('start-run');
  });

  it('continues as new before resuming a suspended run, and not while the run is being cancelled', () => {
    const state = scheduled();
    actOnRequest(state, 'patchNow', {}, T0);
    begin(state, decide(state, at(T0), IDLE));
    const due = { ...IDLE, continueAsNewDue: true, runPutDown: true };
    expect(decide(state, at(T0), IDLE).do).toBe('resume-run');
    expect(decide(state, at(T0), { ...due, runPutDown: false }).do).toBe('resume-run');
    expect(decide(state, at(T0), due).do).toBe('continue-as-new');
    actOnRequest(state, 'cancelRun', {}, T0);
    expect(decide(state, at(T0), due).do).toBe('resume-run');
  });

  it('finishes a removed cluster once its run has ended', () => {
    const state = scheduled();
    actOnRequest(state, 'patchNow', {}, T0);
    begin(state, decide(state, at(T0), IDLE));
    state.removing = 'ann';
    expect(decide(state, at(T0), IN_RUN).do).toBe('sleep');
    expect(decide(state, at(T0), IDLE).do).toBe('resume-run');
    if (state.run !== null) finishRun(state, state.run, [], 'cancelled', T0);
    expect(decide(state, at(T0), IDLE).do).toBe('finish');
  });

  it('starts nothing on a cluster that is not patched by ospatch', () => {
    const state = newClusterState({ apiVersion: 'ospatch/v1', name: 'theirs', type: 'aks' }, null, T0);
    expect(decide(state, at('2099-01-01T00:00:00Z'), IDLE)).toMatchObject({ do: 'sleep', untilMs: null });
  });
});
