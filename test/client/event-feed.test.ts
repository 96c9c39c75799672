import { EventFeed } from '../../src/client/event-feed';
import type { FeedItem } from '../../src/client/event-feed';
import { eventsPage } from '../../src/domain/cluster/event-pages';
import { KEPT_EVENTS, beginLife, newEventLog, recordEvent, someMembers } from '../../src/domain/cluster/events';
import { newClusterState } from '../../src/domain/cluster/state';
import { clusterSpec } from '../support/builders';

const T0 = '2027-01-01T00:00:00.000Z';

function cluster() {
  const state = newClusterState(clusterSpec(['w-1']), null, T0);
  const pause = (by: string): void =>
    recordEvent(state.events, { kind: 'action', request: 'pause', by, reason: null, result: 'paused' }, T0);
  const feed = new EventFeed((request) => Promise.resolve(eventsPage(state, request)));
  const started = (name: string): void =>
    recordEvent(state.events, { kind: 'nodes', run: 1, started: someMembers([name]) }, T0);
  return { state, pause, started, feed };
}

function seen(items: readonly FeedItem[]): (string | number | null)[] {
  return items.map((item) => ('event' in item ? (item.event.by ?? item.event.seq) : item.notice.kind));
}

describe('src/client/event-feed', () => {
  it('returns every event once, over pages and polls', async () => {
    const { pause, feed } = cluster();
    for (let at = 0; at < 60; at += 1) pause(`${at}`);
    expect(seen(await feed.next())).toEqual(Array.from({ length: 60 }, (_, at) => `${at}`));
    expect(await feed.next()).toEqual([]);
    pause('ann');
    expect(seen(await feed.next())).toEqual(['ann']);
    expect(await feed.next()).toEqual([]);
  });

  it('says that events are missing when more came than the log keeps', async () => {
    const { pause, feed } = cluster();
    pause('ann');
    await feed.next();
    for (let at = 0; at < 200; at += 1) pause(`${at}`);
    const items = seen(await feed.next());
    expect(items[0]).toBe('dropped');
    expect(items).toHaveLength(1 + KEPT_EVENTS.actions);
    pause('bob');
    expect(seen(await feed.next())).toEqual(['bob']);
  });

  it('is not disturbed by old events that the log drops', async () => {
    const { pause, feed } = cluster();
    for (let at = 0; at < 70; at += 1) pause(`${at}`);
    await feed.next();
    for (const by of ['ann', 'bob']) {
      pause(by);
      expect(seen(await feed.next())).toEqual([by]);
    }
  });

  it('goes on with the new events of a cluster that was recovered or reset, whose numbers repeat', async () => {
    const { state, pause, feed } = cluster();
    pause('ann');
    pause('bob');
    await feed.next();
    // The state of before the second pause.
    state.events = newEventLog(T0);
    pause('ann');
    beginLife(state.events, '2027-01-02T00:00:00.000Z');
    pause('cid');
    expect(seen(await feed.next())).toEqual(['new-life', 'cid']);
    expect(await feed.next()).toEqual([]);
  });

  it('begins anew with another cluster of the name', async () => {
    const { state, pause, feed } = cluster();
    pause('ann');
    await feed.next();
    state.createdAt = '2027-01-02T00:00:00.000Z';
    state.events = newEventLog(state.createdAt);
    pause('bob');
    expect(seen(await feed.next())).toEqual(['created-again', 'bob']);
  });

  it('says of an event that it contains some that were there before', async () => {
    const { started, feed } = cluster();
    started('w-1');
    await feed.next();
    // In the same moment, so they are one event.
    started('w-2');
    expect(seen(await feed.next())).toEqual(['merged', 2]);
  });
});
