/**
 * Ends a step on a node that answers and never finishes: the limits of single waits begin again with each change of what the
 * node says.
 */
import { OspatchError } from '../domain/shared/errors';
import { formatDuration } from '../domain/shared/duration';
import { JOB_TIMEOUT_MS } from '../domain/node/time-limits';
import type { NodeStep } from '../domain/node/report';
import { UnreachableNotice } from './reachability';
import { defined } from '../domain/shared/defined';

export interface StepLimitOptions {
  node: string;
  step: NodeStep;
  /** Duration of the step over all attempts and calls, in milliseconds. */
  elapsedMs: () => number;
  /** After this time the step fails. */
  limitMs: number;
  /** The step has changed the node: its caller has not been told yet that it takes long (true), or has (false). Absent: no change. */
  noticeDue?: boolean | undefined;
}

export class StepLimit {
  constructor(private readonly options: StepLimitOptions) {}

  /**
   * Call before each pause.
   * @throws OspatchError `Busy` after the limit, or an {@link UnreachableNotice}
   */
  check(): void {
    const { node, limitMs, noticeDue } = this.options;
    const elapsedMs = this.options.elapsedMs();
    if (elapsedMs > limitMs) {
      throw new OspatchError({
        type: 'Busy',
        message: this.message(limitMs),
        remedy: `check ${node}: \`systemctl status 'ospatch-job*'\`, and whether it is damaged or compromised`,
        ...defined({ details: noticeDue === undefined ? undefined : { stillRuns: true } }),
      });
    }
    if (noticeDue === true && elapsedMs > JOB_TIMEOUT_MS) {
      throw new UnreachableNotice(0, this.message(JOB_TIMEOUT_MS), Math.round(elapsedMs));
    }
  }

  private message(ms: number): string {
    const { node, step } = this.options;
    return `${node} answers, but its step ${step} has not ended within ${formatDuration(ms)}`;
  }
}
