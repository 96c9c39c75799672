/** Limits concurrency to `slots`; waiters are served in order. */
export class Semaphore {
  private readonly waiting: (() => void)[] = [];

  constructor(private slots: number) {}

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.slots > 0) this.slots -= 1;
    else await new Promise<void>((resolve) => this.waiting.push(resolve));
    try {
      return await work();
    } finally {
      // The slot is handed directly to the next waiter, so that no newcomer can take it.
      const next = this.waiting.shift();
      if (next === undefined) this.slots += 1;
      else next();
    }
  }
}
