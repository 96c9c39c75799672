/** Events of a cluster as they come, each exactly once; says so where some are missing. */
import type { ClusterEvent, EventsPage, EventsRequest } from '../domain/cluster/event-pages';

/** What a reader gets besides events. */
export type FeedNotice =
  /** Events before the next one are not kept any more. */
  | { kind: 'dropped'; upTo: number }
  /** The log goes on from an older state, without what happened since. */
  | { kind: 'new-life'; since: string }
  /** Another cluster of the same name: its log begins anew. */
  | { kind: 'created-again'; at: string }
  /** The event contains earlier ones that the reader has had already. */
  | { kind: 'merged'; first: number };

export type FeedItem = { event: ClusterEvent } | { notice: FeedNotice };

type ReadPage = (request: EventsRequest) => Promise<EventsPage>;

/** Remembers the place in the log. */
export class EventFeed {
  private since = 0;
  private seen: Pick<EventsPage, 'createdAt' | 'life'> | null = null;

  constructor(private readonly read: ReadPage) {}

  /** What has come since the last call, in order. The first call returns all that is kept, without notices. */
  async next(): Promise<FeedItem[]> {
    const items: FeedItem[] = [];
    for (;;) {
      const page = await this.read({ since: this.since, limit: 200 });
      const moved = this.notice(page);
      if (moved !== null) items.push({ notice: moved });
      // The numbers of this page are not those that were asked for.
      if (moved !== null && moved.kind !== 'dropped') continue;
      for (const event of page.events) {
        const { first } = event;
        if (this.since > 0 && first !== undefined && first <= this.since && event.times === undefined)
          items.push({ notice: { kind: 'merged', first } });
        items.push({ event });
      }
      this.since = page.next ?? Math.max(this.since, page.last);
      if (page.next === null) return items;
    }
  }

  private notice({ createdAt, life, lifeFrom, droppedUpTo }: EventsPage): FeedNotice | null {
    const { seen, since } = this;
    this.seen = { createdAt, life };
    if (seen === null) return null;
    if (seen.createdAt !== createdAt) {
      this.since = 0;
      return { kind: 'created-again', at: createdAt };
    }
    if (seen.life !== life) {
      this.since = lifeFrom - 1;
      return { kind: 'new-life', since: life };
    }
    return since > 0 && droppedUpTo > since ? { kind: 'dropped', upTo: droppedUpTo } : null;
  }
}
