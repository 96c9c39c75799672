/** Observed times of concurrent calls to one server. */

/** The observed time of one call. */
export interface ObservedCall {
  /** Time carried over from earlier attempts. */
  observedMs: number;
  onObserved(observedMs: number): void;
  /** The server has answered this call, with any result. */
  onEnd(): void;
  /** Ends the call. Without an answer, its last observed time is kept. */
  close(): void;
}

/** Each call is counted separately; the longest time is passed to the next attempt. */
export class ObservedTimes {
  private readonly open = new Map<ObservedCall, number>();

  constructor(
    /** Time observed by earlier attempts, in milliseconds; reset by the first answer to any call. */
    private carriedMs: number,
    private readonly onChange: (longestMs: number) => void = () => undefined,
  ) {}

  /** Whether any call is without an answer. */
  get isWaiting(): boolean {
    return this.carriedMs > 0 || [...this.open.values()].some((ms) => ms > 0);
  }

  /** Tracks a call for its duration. */
  async during<T>(work: (call: ObservedCall) => Promise<T>): Promise<T> {
    const call = this.begin();
    try {
      return await work(call);
    } finally {
      call.close();
    }
  }

  /** The same for a call whose end the caller reports. */
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
