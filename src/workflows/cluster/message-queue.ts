/**
 * Executes messages in order of arrival. Most complete at once; while one has to wait, e.g. for the validation of a
 * spec, later ones wait behind it.
 */
export class MessageQueue {
  private last: Promise<void> | null = null;

  /** Whether a new message has to wait. */
  get isBusy(): boolean {
    return this.last !== null;
  }

  /** Synchronous, unless it returns a promise. */
  run<T>(body: () => T | Promise<T>): T | Promise<T> {
    if (this.last !== null) return this.hold(this.last.then(body));
    const result = body();
    return result instanceof Promise ? this.hold(result) : result;
  }

  private hold<T>(work: Promise<T>): Promise<T> {
    const ended = (): void => {
      if (this.last === last) this.last = null;
    };
    const last: Promise<void> = work.then(ended, ended);
    this.last = last;
    return work;
  }
}
