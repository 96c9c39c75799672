/** Lets at most `slots` pieces of work run at the same time; the rest waits in the order in which it came. */
export class Semaphore {
  private readonly waiting: (() => void)[] = [];

  constructor(private slots: number) {}

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.slots > 0) this.slots -= 1;
    else await new Promise<void>((resolve) => this.waiting.push(resolve));
    try {
      return await work();
    } finally {
      // A slot goes straight to whoever waits, so that nobody can slip in between.
      const next = this.waiting.shift();
      if (next === undefined) this.slots += 1;
      else next();
    }
  }
}
