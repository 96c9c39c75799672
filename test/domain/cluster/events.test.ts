import fc from 'fast-check';
import {
  KEPT_EVENTS,
  allEvents,
  beginLife,
  newEventLog,
  recordEvent,
  someMembers,
} from '../../../src/domain/cluster/events';
import type { EventFact, EventLog } from '../../../src/domain/cluster/events';
import { eventText } from '../../../src/domain/cluster/event-text';
import { eventsPage } from '../../../src/domain/cluster/event-pages';
import { actOnApplySpec, actOnRequest, noteCreation, rejectRequest } from '../../../src/domain/cluster/requests';
import { noteResumed, noteSuspended } from '../../../src/domain/cluster/run-events';
import { noteNodeAction, parseNodeAction } from '../../../src/domain/cluster/node-actions';
import {
  finishRun,
  markLost,
  markStarted,
  newClusterState,
  settleNodes,
  startRun,
} from '../../../src/domain/cluster/state';
import type { ActiveRun, ClusterState } from '../../../src/domain/cluster/state';
import { notTried } from '../../../src/domain/run/run';
import { packState, unpackState } from '../../../src/domain/cluster/packed-state';
import { clusterSpec, runPolicy, settled } from '../../support/builders';

const T0 = '2027-01-01T00:00:00.000Z';
const T1 = '2027-01-01T00:10:00.000Z';
const T2 = '2027-01-01T00:20:00.000Z';
const after = (minutes: number): string => new Date(Date.parse(T0) + minutes * 60_000).toISOString();

const pause = (by: string, reason: string | null = null): EventFact => ({
  ...{ kind: 'action', request: 'pause', by, reason, result: 'paused' },
});
const rejected = (message: string): EventFact => ({ kind: 'rejected', request: 'pause', by: 'ann', message });
const nodes = (run: number, name: string): EventFact => ({ kind: 'nodes', run, started: someMembers([name]) });

function clusterWithRun(names: string[]): { state: ClusterState; run: ActiveRun } {
  const state = newClusterState(clusterSpec(names), null, T0);
  const run = startRun(state, {
    ...{ number: 1, trigger: 'on-demand', startedAt: T0, by: 'ann', reason: 'CVE', nodes: names },
    policy: runPolicy(names.length),
  });
  return { state, run };
}

function sentences({ events }: ClusterState): string[] {
  return allEvents(events).map((event) => eventText(event, 'node'));
}

describe('src/domain/cluster/events', () => {
  it('tells a run from its beginning to its end', () => {
    const { state, run } = clusterWithRun(['w-1', 'w-2', 'w-3']);
    markStarted(state, run, ['w-1'], T0);
    settleNodes(state, run, [settled('w-1')], T1);
    markStarted(state, run, ['w-2', 'gone'], T1);
    const lost = { node: 'w-2', message: 'w-2 has been unreachable for 30 min', workflowRunId: 'r' };
    markLost(state, run, [lost], T1);
    const error = { type: 'Internal', message: 'dpkg was killed' } as const;
    settleNodes(state, run, [settled('w-2', { outcome: 'failed', error })], T2);
    finishRun(state, run, [notTried('node', 'w-3', 'stopped')], 'stopped', T2);
    expect(sentences(state)).toEqual([
      'run 1 started (on-demand) with 3 nodes',
      'run 1: w-1 started',
      'run 1: w-1 patched; w-2 started',
      'run 1: w-2 has been unreachable for 30 min',
      'run 1: w-2 failed (dpkg was killed); w-3 not tried',
      'run 1 stopped: 1 patched, 1 failed, 1 not tried',
    ]);
    expect(allEvents(state.events).map(({ at }) => new Date(at).toISOString())).toEqual([T0, T0, T1, T1, T2, T2]);
  });

  it('tells that a run was put down and goes on, but not that it only got a fresh history', () => {
    const { state, run } = clusterWithRun(['w-1', 'w-2']);
    noteSuspended(state, run, T0);
    noteResumed(state, run, T0);
    actOnRequest(state, 'pause', { by: 'ann', reason: 'freeze' }, T1);
    noteSuspended(state, run, T1);
    settleNodes(state, run, [settled('w-1')], T1);
    actOnRequest(state, 'resume', {}, T2);
    noteResumed(state, run, T2);
    noteResumed(state, run, T2);
    expect(sentences(state)).toEqual([
      'run 1 started (on-demand) with 2 nodes',
      'pause: no run and no node is started until a resume',
      'run 1 suspended: paused by ann (freeze)',
      'run 1: w-1 patched',
      'resume: runs and nodes are started again',
      'run 1 resumed: 1 of 2 done',
    ]);
  });

  it('keeps who did what, and why; a sender who is not named is called so', () => {
    const state = newClusterState(clusterSpec(['w-1']), 'id', T0);
    noteCreation(state, { by: 'ci' }, T0);
    actOnApplySpec(state, { spec: state.spec, applyId: 'id', by: 'ci' }, T0);
    const next = clusterSpec(['w-1', 'w-2'], { rebootIfRequired: false });
    actOnApplySpec(state, { spec: next, applyId: '2', by: 'ci', reason: 'PR 7' }, T1);
    rejectRequest(state, 'patchNow', {}, 'the cluster is paused', T1);
    const release = parseNodeAction({ request: 'release', node: 'w-1', run: 4, result: 'the wait was ended' });
    if (release !== null) noteNodeAction(state, release, T2);
    expect(parseNodeAction({ request: 'pause', node: 'w-1', result: '' })).toBeNull();
    const { events } = eventsPage(state, {});
    expect(events.map(({ message, by, reason, run, nodes: named }) => [message, by, reason, run, named])).toEqual([
      ['apply: cluster created', 'ci', null, null, []],
      ['apply: 2 fields changed: patching.rebootIfRequired true -> false, nodes[w-2] added', 'ci', 'PR 7', null, []],
      ['patch rejected: the cluster is paused', 'an unnamed user', null, null, []],
      ['release: the wait was ended', 'an unnamed user', null, 4, ['w-1']],
    ]);
  });

  it('counts what repeats itself, with the time of the first', () => {
    const log = newEventLog(T0);
    for (const minute of [0, 1, 2]) recordEvent(log, rejected('paused'), after(minute));
    recordEvent(log, rejected('removed'), after(3));
    const [first, second] = allEvents(log);
    expect(first).toMatchObject({ seq: 3, first: 1, times: 3, at: Date.parse(after(2)), from: Date.parse(T0) });
    expect(second).toMatchObject({ seq: 4 });
    expect(log.droppedUpTo).toBe(0);
  });

  it('never drops what people did for what nodes or rejected requests do', () => {
    const log = newEventLog(T0);
    recordEvent(log, pause('ann'), T0);
    for (let at = 0; at < 5_000; at += 1) {
      recordEvent(log, nodes(at, `w-${at}`), after(at));
      recordEvent(log, rejected(`no ${at}`), after(at));
      recordEvent(log, { kind: 'limit', run: at, limit: 'max-unavailable', message: 'held' }, after(at));
    }
    expect(allEvents(log)[0]).toMatchObject({ kind: 'action', by: 'ann' });
    expect(log.entries.nodes).toHaveLength(KEPT_EVENTS.nodes);
    expect(log.droppedUpTo).toBeGreaterThan(10_000);
  });

  it('counts the nodes of a large run per interval, all of them, and the newest one by one', () => {
    const log = newEventLog(T0);
    for (let at = 0; at < 5_000; at += 1) recordEvent(log, nodes(7, `w-${at}`), after(at));
    const events = allEvents(log).flatMap((event) => (event.kind === 'nodes' ? [event] : []));
    const counts = events.map(({ started }) => started?.count ?? 0);
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(5_000);
    expect(counts.slice(-10)).toEqual(Array.from({ length: 10 }, () => 1));
    expect(Math.max(...counts)).toBeLessThan(1_000);
    expect(events[0]).toMatchObject({ first: 1, from: Date.parse(T0) });
    expect(log.droppedUpTo).toBe(0);
    // Nothing is counted twice, and the numbers stay in order.
    for (const [at, event] of events.entries()) expect(event.first ?? event.seq).toBe((events[at - 1]?.seq ?? 0) + 1);
  });

  it('stays small, whatever people write', () => {
    const log = newEventLog(T0);
    for (let at = 0; at < 300; at += 1) recordEvent(log, pause('x'.repeat(400), 'ä'.repeat(2_000)), after(at));
    expect(JSON.stringify(log).length).toBeLessThan(26 * 1024);
    expect(log.entries.actions.length).toBeGreaterThan(30);
    expect(allEvents(log).at(-1)).toMatchObject({ seq: 300 });
  });

  it('gives every event a number of its own, whatever is recorded', () => {
    const fact = fc.oneof(
      fc.constantFrom(pause('ann'), rejected('a'), rejected('b'), nodes(1, 'w-1'), nodes(2, 'w-1')),
      fc.constant<EventFact>({ kind: 'window', window: T0, result: 'run 1' }),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(fact, fc.nat(3)), { maxLength: 400 }), (facts) => {
        const log = newEventLog(T0);
        let minute = 0;
        for (const [one, passed] of facts) {
          minute += passed;
          recordEvent(log, one, after(minute));
        }
        const numbers = allEvents(log).map(({ seq }) => seq);
        expect(new Set(numbers).size).toBe(numbers.length);
        expect(log.next).toBe(facts.length + 1);
        for (const [name, entries] of Object.entries(log.entries))
          expect(entries.length).toBeLessThanOrEqual(KEPT_EVENTS[name as keyof typeof KEPT_EVENTS]);
      }),
    );
  });

  it('goes on with the same numbers after continue-as-new', () => {
    const { state } = clusterWithRun(['w-1']);
    const carried = unpackState(JSON.parse(JSON.stringify(packState(state))) as ReturnType<typeof packState>);
    actOnRequest(carried, 'pause', { by: 'ann' }, T1);
    expect(eventsPage(carried, { since: 1 })).toMatchObject({ events: [{ seq: 2, at: T1 }], last: 2, life: T0 });
    expect(eventsPage(carried, {}).events[0]).toEqual(eventsPage(state, {}).events[0]);
  });

  it('pages by number', () => {
    const log: EventLog = newEventLog(T0);
    for (let at = 1; at <= 5; at += 1) recordEvent(log, pause(`${at}`), after(at));
    const state = { ...newClusterState(clusterSpec(['w-1']), null, T0), events: log };
    const first = eventsPage(state, { limit: 3 });
    expect([first.events.map(({ seq }) => seq), first.next]).toEqual([[1, 2, 3], 3]);
    const second = eventsPage(state, { since: 3, limit: 3 });
    expect([second.events.map(({ seq }) => seq), second.next]).toEqual([[4, 5], null]);
    beginLife(log, T2);
    expect(eventsPage(state, { since: 5 })).toMatchObject({ events: [], life: T2, lifeFrom: 6, last: 5 });
  });
});
