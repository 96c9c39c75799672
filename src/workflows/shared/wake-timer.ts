import { CancellationScope, condition, sleep } from '@temporalio/workflow';

interface Armed {
  scope: CancellationScope;
  key: string;
  fired: boolean;
}

/**
 * The timer of a loop that sleeps until an instant or a change, whichever comes first. A change that leaves the instant and
 * the summary as they are keeps the timer: each new one would be three events in the history, at every node of a run.
 */
export class WakeTimer {
  private armed: Armed | null = null;

  /** Returns at `atMs`, or as soon as `isAwake`; null: only then. `summary`: what is waited for, in the Temporal UI. */
  async sleep(isAwake: () => boolean, atMs: number | null, summary: string): Promise<void> {
    const armed = atMs === null ? null : this.arm(atMs, summary);
    if (armed === null) this.disarm();
    await condition(() => isAwake() || armed?.fired === true);
  }

  private arm(atMs: number, summary: string): Armed {
    const key = `${atMs} ${summary}`;
    if (this.armed !== null && this.armed.key === key && !this.armed.fired) return this.armed;
    this.disarm();
    const armed: Armed = { scope: new CancellationScope(), key, fired: false };
    this.armed = armed;
    void armed.scope
      .run(() => sleep(Math.max(1, atMs - Date.now()), { summary }))
      .then(
        () => {
          armed.fired = true;
        },
        // Cancelled in favour of another one.
        () => undefined,
      );
    return armed;
  }

  private disarm(): void {
    if (this.armed?.fired === false) this.armed.scope.cancel();
    this.armed = null;
  }
}
