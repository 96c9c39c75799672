/** What targets hear of a cluster: each thing once, whatever the history of the cluster has been through. */
import {
  collectNotices,
  dueReports,
  nextReminderMs,
  noteHandedOver,
  noteTargets,
} from '../../../src/domain/cluster/notices';
import { eventText } from '../../../src/domain/cluster/event-text';
import { allEvents, recordEvent } from '../../../src/domain/cluster/events';
import { packState, unpackState } from '../../../src/domain/cluster/packed-state';
import type { ActiveRun, ClusterState } from '../../../src/domain/cluster/state';
import { finishRun, markStarted, newClusterState, recordWindow, settleNodes } from '../../../src/domain/cluster/state';
import { noteNotified, parseNotified } from '../../../src/domain/cluster/notified';
import type { Told } from '../../../src/domain/notifications/deliveries';
import { afterMessage, nextMessage } from '../../../src/domain/notifications/deliveries';
import type { StuckReport } from '../../../src/domain/notifications/report';
import { keyOf, subjectOf } from '../../../src/domain/notifications/report';
import type { EventFilter, NotificationTarget } from '../../../src/domain/notifications/types';
import { NOTIFICATION_EVENTS } from '../../../src/domain/notifications/types';
import { HOUR_MS, MINUTE_MS } from '../../../src/domain/shared/time-units';
import { beginRun, clusterSpec, settled } from '../../support/builders';

const T0 = Date.parse('2027-01-01T00:00:00.000Z');
const ALL: EventFilter[] = [
  ...NOTIFICATION_EVENTS.flatMap((one) => (one === 'reboot-pending-for' ? [] : [one])),
  { 'reboot-pending-for': '3d' },
];

/** A cluster, the notifiers of its subjects, and what a target gets of them. */
class World {
  state: ClusterState;
  nowMs = T0;
  readonly messages: string[] = [];
  private readonly told = new Map<string, Told>();
  private readonly target: NotificationTarget;

  constructor(on: EventFilter[]) {
    this.target = { name: 'ops', on, webhook: { url: 'https://hooks.example.com' } };
    const spec = { ...clusterSpec(['w-1', 'w-2', 'w-3']), notifications: [this.target] };
    this.state = newClusterState(spec, null, this.now);
    this.sync();
  }

  get now(): string {
    return new Date(this.nowMs).toISOString();
  }

  sync(): void {
    collectNotices(this.state, this.now);
    for (const due of dueReports(this.state, [this.target], this.now)) {
      const { subject, report } = due;
      const told = this.told.get(subject) ?? null;
      const next = nextMessage(this.target, report, told);
      if (next !== null) {
        this.messages.push(
          `${next.news.map(({ event }) => event).join(' ')} ${subjectOf(report).split('-', 1)[0] ?? ''}`,
        );
        this.told.set(subject, afterMessage(next, told, null));
      }
      noteHandedOver(this.state, due);
    }
  }

  /** Time passes, the history begins anew, and everything is looked at again. */
  later(ms = MINUTE_MS): void {
    this.nowMs += ms;
    for (let times = 0; times < 3; times += 1) {
      this.sync();
      this.state = unpackState(JSON.parse(JSON.stringify(packState(this.state))) as never);
    }
  }

  run(): void {
    beginRun(this.state, ['w-1', 'w-2', 'w-3'], this.now);
  }

  suspend(change: Partial<NonNullable<ActiveRun['suspended']>>): void {
    if (this.state.run !== null) this.state.run.suspended = { settled: [], failures: 0, ...change };
    this.later();
  }

  resume(): void {
    if (this.state.run !== null) this.state.run.suspended = null;
    this.state.paused = null;
    this.later();
  }
}

describe('src/domain/cluster/notices', () => {
  it('reports a missed window once, and none within a blackout', () => {
    const world = new World(ALL);
    recordWindow(world.state, '2027-01-01T00:00:00Z', 'missed (paused)', world.now);
    recordWindow(world.state, '2027-01-02T00:00:00Z', 'missed (blackout: freeze)', world.now);
    recordWindow(world.state, '2027-01-03T00:00:00Z', 'run 1', world.now);
    world.later();
    world.later();
    expect(world.messages).toEqual(['window-missed window']);
  });

  it('reports a reboot that is pending for too long once, and again for another node', () => {
    const world = new World(ALL);
    const pending = (name: string): void => {
      const row = world.state.nodes.find((one) => one.name === name);
      Object.assign(row ?? {}, { state: 'reboot-pending', stateSince: world.now });
    };
    pending('w-1');
    world.later(HOUR_MS);
    pending('w-2');
    world.later(70 * HOUR_MS);
    expect(world.messages).toEqual([]);
    expect(nextReminderMs(world.state, world.nowMs)).toBe(T0 + 72 * HOUR_MS);
    world.later(HOUR_MS);
    world.later(MINUTE_MS);
    expect(world.messages).toEqual(['reboot-pending-for reboot']);
    world.later(HOUR_MS);
    expect(world.messages).toHaveLength(2);
    world.later(24 * HOUR_MS);
    expect(world.messages).toHaveLength(2);
  });

  it('reports a cluster that is stuck once until the fault is over', () => {
    const world = new World(ALL);
    const fault = (error: string | null): void => {
      if (error === null) delete world.state.loopError;
      else world.state.loopError = error;
      world.later();
    };
    fault('it does nothing');
    fault('it still does nothing');
    fault(null);
    expect(world.messages).toEqual(['cluster-stuck stuck']);
    fault('again');
    expect(world.messages).toHaveLength(2);
  });

  it('has one subject a day for a fault, also of a cluster that was reset since', () => {
    const stuck = (at: string, message: string): StuckReport => ({ kind: 'stuck', at, cause: 'loop', message });
    const first = stuck('2027-01-01T10:00:00.000Z', 'idle until 2027-01-01T11:00:00.000Z');
    const afterReset = stuck('2027-01-01T12:00:00.000Z', 'idle until 2027-01-01T13:00:00.000Z');
    expect(subjectOf(afterReset)).toBe(subjectOf(first));
    // The id of a message follows from it.
    expect(keyOf(afterReset)).toBe(keyOf(first));
    expect(subjectOf(stuck(first.at, 'something else'))).not.toBe(subjectOf(first));
    expect(subjectOf({ ...first, cause: 'windows' })).not.toBe(subjectOf(first));
    expect(subjectOf(stuck('2027-01-02T10:00:00.000Z', first.message))).not.toBe(subjectOf(first));
  });

  it('keeps the last 20 reports while no worker names its targets, and shows what is dropped', () => {
    const state = newClusterState(clusterSpec(['w-1']), null, new Date(T0).toISOString());
    const now = state.createdAt;
    collectNotices(state, now);
    for (let day = 1; day <= 22; day += 1) {
      const window = `2027-01-${String(day).padStart(2, '0')}T00:00:00Z`;
      recordWindow(state, window, 'missed (paused)', now);
      collectNotices(state, now);
    }
    noteTargets(state, 'the file cannot be read', now);
    noteTargets(state, 'the file cannot be read', now);
    const texts = allEvents(state.events).map((event) => eventText(event, 'node'));
    expect(texts.filter((text) => text.startsWith('notification'))).toEqual(
      ['01', '02'].map(
        (day) => `notification about the window of 2027-01-${day}T00:00:00Z dropped: too many were waiting to be sent`,
      ),
    );
    expect(texts.at(-1)).toBe('the targets of notifications are not known 2 times: the file cannot be read');
    expect(state.totals?.counts.notifications).toEqual({ '|dropped': 2 });
    // Those that are left are for whoever is named then, or for notifiers that ask themselves.
    expect(dueReports(state, null, now)).toHaveLength(20);
    noteTargets(state, [], now);
    expect(state.notices?.unknown).toBeUndefined();
    expect(dueReports(state, [], now)).toEqual([]);
  });

  it('reports a run that alerts or unavailable nodes have held for 15 minutes, and again after its next node', () => {
    const world = new World(['run-blocked']);
    const limit = (kind: 'alerts' | 'alerts-unknown' | 'soak', message: string): void =>
      recordEvent(world.state.events, { kind: 'limit', run: 1, limit: kind, message }, world.now);
    world.run();
    limit('alerts', 'an alert fires: TargetDown');
    expect(nextReminderMs(world.state, world.nowMs)).toBe(T0 + 15 * MINUTE_MS);
    world.later(14 * MINUTE_MS);
    // Another reason does not begin the time anew.
    limit('alerts-unknown', 'which alerts fire is not known: no answer');
    expect(world.messages).toEqual([]);
    world.later();
    world.later();
    expect(world.messages).toEqual(['run-blocked run']);
    expect(nextReminderMs(world.state, world.nowMs)).toBeNull();
    if (world.state.run !== null) markStarted(world.state, world.state.run, ['w-1'], world.now);
    limit('alerts', 'an alert fires: TargetDown');
    world.later(HOUR_MS);
    // A node is in work.
    expect(world.messages).toHaveLength(1);
    if (world.state.run !== null) settleNodes(world.state, world.state.run, [settled('w-1')], world.now);
    world.later(16 * MINUTE_MS);
    expect(world.messages).toEqual(['run-blocked run', 'run-blocked run']);
    // A pause is another reason, and a soak is planned.
    limit('soak', 'stage 1 soaks');
    world.later(HOUR_MS);
    expect(world.messages).toHaveLength(2);
  });

  it('says when a run is given up that alerts hold, and nothing of an end that no rule sets', () => {
    const expiryOf = (limit: 'alerts' | 'max-unavailable'): string | undefined => {
      const { state, now } = new World(['run-blocked']);
      beginRun(state, ['w-1'], now);
      recordEvent(state.events, { kind: 'limit', run: 1, limit, message: 'held' }, now);
      const [due] = dueReports(state, null, new Date(T0 + HOUR_MS).toISOString());
      expect(due?.report).toMatchObject({ waits: { kind: 'held', limit } });
      return due?.report.kind === 'run' ? due.report.expiresAt : undefined;
    };
    expect(expiryOf('alerts')).toBe('2027-01-15T00:00:00.000Z');
    expect(expiryOf('max-unavailable')).toBeUndefined();
  });

  it('reports each block and each pause of a run once', () => {
    const world = new World(['run-blocked', 'run-waiting']);
    world.run();
    world.later();
    world.suspend({ hold: { kind: 'budget', failures: 1, limit: 0 } });
    world.resume();
    // Somebody has allowed one failure; the next one blocks the run again.
    world.suspend({ hold: { kind: 'budget', failures: 2, limit: 1 } });
    world.resume();
    for (let times = 0; times < 2; times += 1) {
      world.state.paused = { at: world.now, by: 'alice', reason: null };
      world.suspend({});
      world.resume();
    }
    expect(world.messages).toEqual(['run-blocked run', 'run-blocked run', 'run-waiting run', 'run-waiting run']);
  });

  it('reports a run as one message per target and news, and its end once', () => {
    const world = new World(ALL);
    world.run();
    world.later();
    if (world.state.run !== null) world.state.run.done['w-1'] = 'failed';
    world.later();
    const current = world.state.run;
    if (current === null) throw new Error('the run is gone');
    finishRun(world.state, current, [settled('w-2'), settled('w-3')], 'failed', world.now);
    world.later();
    expect(world.messages).toEqual(['run-started run', 'node-failed run', 'run-finished run']);
  });

  it('hears of messages of this cluster, and of none of an earlier cluster of its name', () => {
    const { state } = new World(ALL);
    const count = (): number => state.events.next;
    const before = count();
    const notified = { target: 'ops', about: 'run 1', result: 'delivered' };
    const parse = (createdAt?: string) => parseNotified({ ...notified, createdAt });
    expect(parse()).toBeNull();
    const [old, own] = [parse('2020-01-01T00:00:00.000Z'), parse(state.createdAt)];
    if (old !== null) noteNotified(state, old, state.createdAt);
    expect(count()).toBe(before);
    if (own !== null) noteNotified(state, own, state.createdAt);
    expect(count()).toBe(before + 1);
  });
});
