/** What calls that run at the same time observe of the same other side. */

/** The observed time of one call. */
export interface ObservedCall {
  /** What earlier attempts have left behind. */
  observedMs: number;
  onObserved(observedMs: number): void;
  /** The other side has answered this call, whatever it said. */
  onEnd(): void;
  /** The call is over. Without an answer, what was reported of it last stays. */
  close(): void;
}

/** Counts for each call alone; the longest wait is what the next attempt has to know. */
export class ObservedTimes {
  private readonly open = new Map<ObservedCall, number>();

  constructor(
    /** What earlier attempts have observed, in milliseconds. It is over with the first answer to any call. */
    private carriedMs: number,
    private readonly onChange: (longestMs: number) => void = () => undefined,
  ) {}

  /** Whether any call is not answered. */
  get isWaiting(): boolean {
    return this.carriedMs > 0 || [...this.open.values()].some((ms) => ms > 0);
  }

  /** Counts for a call until it is over, whatever comes of it. */
  async during<T>(work: (call: ObservedCall) => Promise<T>): Promise<T> {
    const call = this.begin();
    try {
      return await work(call);
    } finally {
      call.close();
    }
  }

  /** The same for a call whose end the caller tells. */
  begin(): ObservedCall {
    const call: ObservedCall = {
      observedMs: this.carriedMs,
      onObserved: (observedMs) => {
        this.open.set(call, observedMs);
        this.report();
      },
      onEnd: () => {
        this.carriedMs = 0;
        this.open.delete(call);
        this.report();
      },
      close: () => {
        this.open.delete(call);
      },
    };
    return call;
  }

  private report(): void {
    this.onChange(Math.round(Math.max(this.carriedMs, ...this.open.values())));
  }
}
