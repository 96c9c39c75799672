/** Work in the background of a cluster, in one child workflow at a time. Given up as soon as a run begins. */
import { CancellationScope } from '@temporalio/workflow';
import type { ClusterState } from '../../domain/cluster/state';
import { isAtRest } from '../../domain/cluster/state';

export class BackgroundChild {
  private scope: CancellationScope | null = null;

  /** `changed` is called when the work has ended and the state says how. */
  constructor(
    private readonly state: ClusterState,
    private readonly changed: () => void,
  ) {}

  get isRunning(): boolean {
    return this.scope !== null;
  }

  /**
   * Begins `work`. `done` takes its answer in: null when the child was terminated by somebody or has failed; it is not
   * called when the work was given up, for which `givenUp` is.
   */
  start<T>(work: () => Promise<T | null>, done: (answer: T | null) => void, givenUp: () => void): void {
    const scope = new CancellationScope();
    this.scope = scope;
    const runsBefore = this.state.nextRun;
    void scope
      .run(work)
      .catch(() => null)
      .then((answer) => {
        this.scope = null;
        // A run knows its nodes better than what was seen before it.
        if (scope.consideredCancelled || this.state.nextRun !== runsBefore) givenUp();
        else done(answer);
        this.changed();
      });
  }

  stopUnlessIdle(): void {
    if (!isAtRest(this.state)) this.scope?.cancel();
  }
}
