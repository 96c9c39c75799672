/** Follows a cluster: a live display on a terminal, one line per change elsewhere. */
import type { ClusterClient } from '../client/cluster-client';
import type { LiveStatus } from '../client/live-status';
import { isOspatchError } from '../domain/shared/errors';
import type { DisplayEvents, KeyOrders } from './interactive/display';
import type { CliContext } from './io/context';
import { orInterrupted, pause, untilInterrupted } from './io/interrupt';
import type { PipeOptions } from './watch-pipe';
import { jsonView, linesView } from './watch-pipe';

/**
 * Each poll costs a query, during a run two, and load on a worker: short runs are noticed at once, long ones polled
 * slowly.
 */
const FIRST_LOOKS_MS = 250;
const LOOK_EVERY_MS = 2_000;
/** By how much each wait between two looks is longer than the last one. */
const LOOK_SLOWDOWN = 1.15;
/** Where the end is told by the server, a look shows progress only. */
const SHOW_FIRST_MS = 500;
/** The cluster learns of the end of its run at the same time as this client. */
const SETTLING_MS = 20;

export interface WatchOptions extends PipeOptions {
  cluster: string;
  /** Standard output gets each changed status as a JSON document on a line of its own, in place of a display. */
  asJson?: boolean;
  /** What keys may do on a terminal. Absent: only end the display. */
  orders?: KeyOrders;
  /** True when there is nothing more to follow. */
  until(status: LiveStatus): boolean;
  /**
   * Resolves with true as soon as what is followed has ended, so that nobody waits for the next look; with false when that
   * is not known. Never rejects.
   */
  awaitEnd?(signal: AbortSignal): Promise<boolean>;
}

/**
 * `detached`: Ctrl-C, `quit`: the key q; the followed run continues. `removed`: the cluster that was followed is no more;
 * `status` is that of one in its place, if there is one. `reset`: Temporal has undone what was followed.
 */
export type WatchEnd = { end: 'done' | 'detached' | 'quit' | 'removed' | 'reset'; status: LiveStatus | null };

/** Shows what is followed. */
type View = { show(status: LiveStatus, notice: string | null): void; say(line: string): void; close(): void };

/**
 * Follows a cluster until `until` returns true, the cluster is removed, or Ctrl-C. Waits for an unavailable server or
 * worker.
 */
export async function watchCluster(
  context: CliContext,
  client: Pick<ClusterClient, 'status'>,
  options: WatchOptions,
): Promise<WatchEnd> {
  return untilInterrupted(async (interrupted) => {
    const user = new UserEvents();
    const view = await viewFor(context, options, user);
    try {
      const end = await follow(client, options, view, AbortSignal.any([interrupted, user.ended.signal]), user);
      return end.end === 'detached' && user.hasQuit ? { ...end, end: 'quit' } : end;
    } finally {
      view.close();
    }
  });
}

/** What the user of a display wants of the loop behind it. */
class UserEvents implements DisplayEvents {
  readonly ended = new AbortController();
  hasQuit = false;
  look: () => void = () => undefined;

  end(how: 'quit' | 'interrupt'): void {
    this.hasQuit = how === 'quit';
    this.ended.abort();
  }
}

async function viewFor(context: CliContext, options: WatchOptions, user: UserEvents): Promise<View> {
  if (options.asJson === true) return jsonView(context);
  const isPlain = !context.isTTY || options.toStderr === true || context.env['TERM'] === 'dumb';
  if (isPlain) return linesView(context, options);
  const { LiveDisplay } = await import('./interactive/display.js');
  return new LiveDisplay(context, options.orders ?? null, { end: (how) => user.end(how), look: () => user.look() });
}

async function follow(
  client: Pick<ClusterClient, 'status'>,
  { cluster, before, until, awaitEnd }: WatchOptions,
  view: View,
  signal: AbortSignal,
  user: UserEvents,
): Promise<WatchEnd> {
  const { isTransient } = await import('../client/errors.js');
  const pace = new Pace(signal, awaitEnd);
  user.look = () => pace.lookNow();
  let status = before ?? null;
  let lost = false;
  try {
    while (!signal.aborted) {
      try {
        const seen = await orInterrupted(client.status(cluster), signal);
        if (seen === undefined) break;
        // Created again under the same name, with runs of the same numbers.
        if (before !== undefined && seen.createdAt !== before.createdAt)
          return { end: seen.reset === null ? 'removed' : 'reset', status: seen };
        status = seen;
        if (lost) view.say('Temporal and the worker answer again');
        lost = false;
        view.show(status, null);
        if (until(status)) return { end: 'done', status };
      } catch (error) {
        if (isOspatchError(error) && error.type === 'NotFound' && status !== null) return { end: 'removed', status };
        if (!isTransient(error) || status === null) throw error;
        const notice = `${(error as Error).message}; retrying; the run itself continues in Temporal`;
        if (!lost) view.say(notice);
        lost = true;
        view.show(status, notice);
      }
      await pace.next();
    }
    return { end: 'detached', status };
  } finally {
    pace.stop();
  }
}

/** How long to wait between two looks: longer and longer, until what is followed is said to have ended. */
class Pace {
  private lookAgainMs: number;
  private readonly ended = new AbortController();
  private readonly over = new AbortController();
  private hasEnded = false;
  private endPause: () => void = () => undefined;
  /** Made once: Node.js 20 keeps every combined signal for as long as its parts. */
  private readonly early: AbortSignal;

  constructor(
    private readonly signal: AbortSignal,
    awaitEnd: WatchOptions['awaitEnd'],
  ) {
    this.early = AbortSignal.any([signal, this.ended.signal]);
    this.lookAgainMs = awaitEnd === undefined ? FIRST_LOOKS_MS : SHOW_FIRST_MS;
    void awaitEnd?.(AbortSignal.any([signal, this.over.signal])).then((isKnown) => {
      if (isKnown) this.ended.abort();
    });
  }

  async next(): Promise<void> {
    const { signal, ended } = this;
    const now = new Promise<void>((resolve) => {
      this.endPause = resolve;
    });
    await Promise.race([pause(this.lookAgainMs, this.hasEnded ? signal : this.early), now]);
    if (ended.signal.aborted && !this.hasEnded) {
      this.hasEnded = true;
      this.lookAgainMs = SETTLING_MS;
    } else {
      const slowdown = this.lookAgainMs < FIRST_LOOKS_MS ? 2 : LOOK_SLOWDOWN;
      this.lookAgainMs = Math.min(LOOK_EVERY_MS, this.lookAgainMs * slowdown);
    }
  }

  /** Ends the present wait, and lets the next ones be short again. */
  lookNow(): void {
    this.lookAgainMs = FIRST_LOOKS_MS;
    this.endPause();
  }

  /** Nobody waits for the end any more. */
  stop(): void {
    this.over.abort();
  }
}
