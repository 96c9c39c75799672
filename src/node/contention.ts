/** Waits for what currently occupies the node: another job, a lock holder, or systemd. */
import type { Hold } from '../retry/slot-release';

/** Maximum delay between polls while holding no activity slot; most waits last minutes. */
const MAX_DELAY_MS = 60_000;

/** A waiting job of ours continues as soon as it gets the lock, and then has to be followed. */
const MAX_FOLLOW_DELAY_MS = 15_000;

export const CONTENDERS = ['job', 'lock', 'systemd'] as const;
export type Contender = (typeof CONTENDERS)[number];

export interface ContentionOptions {
  now: () => number;
  /** The last blocker of the previous attempt and the time waited for it, in milliseconds. */
  carried?: { by: Contender; ms: number };
  /** Called on each poll. Null: the node is free. */
  onChange?: (others: { by: Contender; ms: number } | null) => void;
  /** Ends the attempt after a while. Absent: the attempt waits in place. */
  hold?: Hold;
}

/** Tracks how long others have occupied the node, across attempts. */
export class ContentionTracker {
  private wait: { by: Contender; since: number } | null;

  constructor(private readonly options: ContentionOptions) {
    const { carried, now } = options;
    this.wait = carried === undefined ? null : { by: carried.by, since: now() - carried.ms };
  }

  /** Whether an earlier attempt ended while waiting for a lock. */
  get waitedForLock(): boolean {
    return this.options.carried?.by === 'lock';
  }

  /** Call on each poll that finds the node occupied; returns the time waited so far, in milliseconds. */
  seen(by: Contender): number {
    const { now, onChange } = this.options;
    if (this.wait?.by !== by) this.wait = { by, since: now() };
    const ms = now() - this.wait.since;
    onChange?.({ by, ms });
    return ms;
  }

  /** Call when the node is free. */
  gone(): void {
    if (this.wait === null) return;
    this.wait = null;
    this.options.hold?.release();
    this.options.onChange?.(null);
  }

  /**
   * Call before each pause until the next poll.
   * @throws RetryLater after a while; the next attempt continues the wait
   */
  pause(waitingFor: string, leftMs = Infinity): void {
    this.options.hold?.check({ waitingFor, observedMs: this.waitedMs(), leftMs, maxDelayMs: MAX_DELAY_MS });
  }

  /**
   * The same while our own job waits on the node.
   * @throws RetryLater
   */
  pauseFollowing(waitingFor: string): void {
    const observedMs = this.waitedMs();
    this.options.hold?.check({ waitingFor, observedMs, leftMs: Infinity, maxDelayMs: MAX_FOLLOW_DELAY_MS });
  }

  private waitedMs(): number {
    return this.wait === null ? 0 : this.options.now() - this.wait.since;
  }
}
