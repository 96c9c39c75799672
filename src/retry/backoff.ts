/** Exponential backoff with jitter between attempts. */

export interface BackoffOptions {
  /** The first pause, in milliseconds. */
  firstMs: number;
  /** The longest pause before jitter, in milliseconds. */
  maxMs: number;
  /** Factor from one pause to the next; default 2. */
  growth?: number;
}

/** Spreads a hundred callers that failed at the same time. */
const JITTER = 0.25;

export class Backoff {
  private pauseMs: number;

  constructor(private readonly options: BackoffOptions) {
    this.pauseMs = options.firstMs;
  }

  /** The next pause in milliseconds, with up to a quarter of jitter. */
  next(): number {
    const { maxMs, growth = 2 } = this.options;
    const step = this.pauseMs;
    this.pauseMs = Math.min(maxMs, step * growth);
    return step * (1 + Math.random() * JITTER);
  }

  reset(): void {
    this.pauseMs = this.options.firstMs;
  }
}
