/** What a run may no longer do. Nothing that is taken away is given back, except by the end of a pause. */
import type { RunRestrictions } from '../../domain/run/run';

export class RestrictionsInForce {
  paused = false;
  /** The run workflow ends after the node in work, and the next one of the same run goes on. */
  handOver = false;
  removed: ReadonlySet<string> = new Set();
  rebootsForbidden = false;
  cancelled = false;

  constructor(restrictions: RunRestrictions) {
    this.take(restrictions);
  }

  take(restrictions: RunRestrictions): void {
    this.paused = restrictions.paused ?? this.paused;
    this.handOver ||= restrictions.handOver === true;
    this.removed = new Set(restrictions.removedNodes ?? this.removed);
    this.rebootsForbidden ||= restrictions.rebootsForbidden === true;
    this.cancelled ||= restrictions.cancelled === true;
  }
}
