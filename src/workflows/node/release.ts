/** Unlimited waits of a node patch, which a user may end. Nothing on the node is stopped. */
import { ApplicationFailure, CancellationScope, isCancellation } from '@temporalio/workflow';
import type { ErrorInfo } from '../../domain/shared/errors';
import type { Message } from '../../domain/cluster/messages';
import { parseMessage } from '../../domain/cluster/messages';
import type { NodeStep } from '../../domain/node/report';
import { failureOf } from '../shared/failures';

interface Wait {
  step: NodeStep;
  end(by: Message): void;
}

export class ReleasableWaits {
  private open: Wait | null = null;

  constructor(private readonly node: string) {}

  /**
   * Runs `body` until it ends or is released; a release throws the error from `failure`. A wait in a non-cancellable
   * scope is abandoned, and ends with the workflow.
   */
  async run<T>(step: NodeStep, body: () => Promise<T>, failure: (how: string) => ErrorInfo): Promise<T> {
    const scope = CancellationScope.current().cancellable ? new CancellationScope() : null;
    let releasedBy: Message | null = null;
    const released = new Promise<never>((_, reject) => {
      this.open = {
        step,
        end: (by) => {
          releasedBy = by;
          if (scope === null) reject(failureOf(failure(describe(by, step))));
          else scope.cancel();
        },
      };
    });
    try {
      return scope === null ? await Promise.race([body(), released]) : await scope.run(body);
    } catch (error) {
      if (releasedBy === null || !isCancellation(error)) throw error;
      throw failureOf(failure(describe(releasedBy, step)));
    } finally {
      this.open = null;
    }
  }

  /** @throws ApplicationFailure `Refused` when there is no wait to end */
  check(value: unknown): void {
    const parsed = parseMessage(value);
    if (!parsed.ok) throw refused(parsed.why);
    if (this.open === null) throw refused(`${this.node} is not in a step whose wait can be ended`);
  }

  release(value: unknown): { step: NodeStep; message: Message } {
    this.check(value);
    const parsed = parseMessage(value);
    const wait = this.open;
    if (wait === null || !parsed.ok) throw refused(`${this.node} is not in a step whose wait can be ended`);
    wait.end(parsed.message);
    return { step: wait.step, message: parsed.message };
  }
}

function describe({ by, reason }: Message, step: NodeStep): string {
  return `${by ?? 'somebody'} ended the wait in its step ${step}${reason === undefined ? '' : ` (${reason})`}`;
}

function refused(message: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(message, 'Refused');
}
