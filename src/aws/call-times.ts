/**
 * Tracks how long AWS calls have failed. Each kind of call and each kind of error is counted separately: one answered
 * call says nothing about another, and an outage does not count towards the limit for expired credentials.
 */
import { ObservedTimes } from '../retry/observed-times';
import type { AwsErrorKind } from './errors';
import { AWS_ERROR_KINDS } from './errors';

/** Observed waits in milliseconds, by kind; carried over to the next attempt. */
export type AwsWaits = Record<string, number>;

/** One call, repeated until it succeeds. */
export interface AwsCallTime {
  /** The longest wait of earlier attempts for calls of this kind, in milliseconds. */
  carriedMs: number;
  waitOf(kind: AwsErrorKind): string;
  /** Adds `ms` of consecutive errors of this kind; returns their total. */
  add(kind: AwsErrorKind, ms: number): number;
  onAnswer(): void;
}

export class CallTimes {
  private readonly times = new Map<string, ObservedTimes>();

  constructor(private readonly waits: AwsWaits) {}

  /** Whether a call is currently without an answer. */
  get isWaiting(): boolean {
    return [...this.times.values()].some((one) => one.isWaiting);
  }

  async during<T>(action: string, work: (call: AwsCallTime) => Promise<T>): Promise<T> {
    const calls = new Map(AWS_ERROR_KINDS.map((kind) => [kind, this.timesOf(waitName(action, kind)).begin()]));
    const counted = new Map([...calls].map(([kind, { observedMs }]) => [kind, observedMs]));
    try {
      return await work({
        carriedMs: Math.max(...counted.values()),
        waitOf: (kind) => waitName(action, kind),
        add: (kind, ms) => {
          const observedMs = (counted.get(kind) ?? 0) + ms;
          counted.set(kind, observedMs);
          calls.get(kind)?.onObserved(observedMs);
          return observedMs;
        },
        onAnswer: () => {
          for (const call of calls.values()) call.onEnd();
        },
      });
    } finally {
      for (const call of calls.values()) call.close();
    }
  }

  private timesOf(name: string): ObservedTimes {
    const known = this.times.get(name);
    if (known !== undefined) return known;
    const times = new ObservedTimes(this.waits[name] ?? 0, (longestMs) => {
      if (longestMs > 0) this.waits[name] = longestMs;
      else delete this.waits[name];
    });
    this.times.set(name, times);
    return times;
  }
}

function waitName(action: string, kind: AwsErrorKind): string {
  return `${action}: ${kind}`;
}
