/** Waiting for what is at work on the node in our place: another job, the holder of a lock, or systemd itself. */
import type { Hold } from '../retry/hand-back';

/** Between two looks without a place of our own: who waits has the node, and often only for minutes. */
const MAX_DELAY_MS = 60_000;

/** A job of ours that waits for a lock goes on by itself as soon as it has it; then it has to be followed. */
const MAX_FOLLOW_DELAY_MS = 15_000;

export const OTHERS = ['job', 'lock', 'systemd'] as const;
export type Other = (typeof OTHERS)[number];

export interface OthersOptions {
  now: () => number;
  /** Who was at work when the last attempt ended, and for how long, in milliseconds. */
  carried?: { by: Other; ms: number };
  /** Called with each look. Null: the node is ours. */
  onChange?: (others: { by: Other; ms: number } | null) => void;
  /** Ends the attempt when it has waited for long. Absent: it waits in place. */
  hold?: Hold;
}

/** How long others have been at work on the node. The time outlives the attempt. */
export class OthersAtWork {
  private wait: { by: Other; since: number } | null;

  constructor(private readonly options: OthersOptions) {
    const { carried, now } = options;
    this.wait = carried === undefined ? null : { by: carried.by, since: now() - carried.ms };
  }

  /** Whether an earlier attempt has ended waiting for a lock. */
  get waitedForLock(): boolean {
    return this.options.carried?.by === 'lock';
  }

  /** To be called at each look at which they are: for how long, in milliseconds. */
  seen(by: Other): number {
    const { now, onChange } = this.options;
    if (this.wait?.by !== by) this.wait = { by, since: now() };
    const ms = now() - this.wait.since;
    onChange?.({ by, ms });
    return ms;
  }

  /** Nobody else is, and what was waited for has begun. */
  gone(): void {
    if (this.wait === null) return;
    this.wait = null;
    this.options.hold?.release();
    this.options.onChange?.(null);
  }

  /**
   * To be called before each pause until the next look.
   * @throws RetryLater after a while; the next attempt goes on waiting
   */
  pause(waitingFor: string, leftMs = Infinity): void {
    this.options.hold?.check({ waitingFor, observedMs: this.waitedMs(), leftMs, maxDelayMs: MAX_DELAY_MS });
  }

  /**
   * The same while a job of ours waits on the node.
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
