/**
 * How many workers poll the task queues that clusters need. No clock is compared with that of the server: what Temporal lists has
 * polled within the last minutes by the server's clock, and a worker that is there polls again within a minute.
 */
import { performance } from 'node:perf_hooks';
import type { TemporalSession } from '../client/connection';
import type { QueueKind } from '../client/pollers';
import { WORKER_SEEN_MS, listQueue } from '../client/pollers';
import { atWork } from '../domain/inspection/workers';
import { mapConcurrently } from '../domain/shared/map-concurrently';

const SITES_AT_ONCE = 8;

interface LastPoll {
  /** As the server wrote it; compared for equality only. */
  at: string;
  /** When this process saw it change, in milliseconds of its own that no adjustment of the clock moves. */
  seenMs: number;
}

export class SiteWorkers {
  private seen = new Map<string, LastPoll>();

  constructor(
    private readonly session: TemporalSession,
    private readonly nowMs: () => number = () => performance.now(),
  ) {}

  /** Throws the errors of Temporal's client. */
  async count(queues: ReadonlyMap<string, QueueKind>): Promise<{ site: string; workers: number }[]> {
    const seen = new Map<string, LastPoll>();
    const counts = await mapConcurrently([...queues], SITES_AT_ONCE, async ([site, kind]) => {
      const queue = await listQueue(this.session, site, kind);
      // A worker of a version that is not current polls, and nothing that happens needs it.
      const pollers = kind === 'workflows' ? atWork(queue) : queue.pollers;
      const nowMs = this.nowMs();
      const alive = pollers.filter(({ identity, lastPoll: at }) => {
        const key = `${site}\n${kind}\n${identity}`;
        const before = this.seen.get(key);
        const last = before?.at === at ? before : { at, seenMs: nowMs };
        seen.set(key, last);
        return nowMs - last.seenMs < WORKER_SEEN_MS;
      });
      return { site, workers: alive.length };
    });
    this.seen = seen;
    return counts;
  }
}
