/** Unlimited waits of a node patch, which a user may end. Nothing on the node is stopped. */
import { ApplicationFailure, CancellationScope, isCancellation } from '@temporalio/workflow';
import type { ErrorInfo } from '../../domain/shared/errors';
import type { Message } from '../../domain/cluster/messages';
import { UNKNOWN_SENDER, parseMessage } from '../../domain/cluster/messages';
import type { NodeStep } from '../../domain/node/report';
import { foreignField } from '../../domain/cluster/steering';
import { defined } from '../../domain/shared/defined';
import { failureOf } from '../shared/failures';
import { senderIdentity } from '../shared/sender';

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
  check(value: unknown): { wait: Wait; message: Message } {
    const parsed = parseMessage(value);
    if (!parsed.ok) throw refused(parsed.why);
    const foreign = foreignField(parsed.message);
    if (foreign !== null) throw refused(`release takes no ${foreign}; it is about ${this.node} alone`);
    const { open: wait } = this;
    if (wait === null) throw refused(`${this.node} is not in a step whose wait can be ended`);
    return { wait, message: { ...defined({ by: senderIdentity() }), ...parsed.message } };
  }

  /** @throws ApplicationFailure like `check` */
  release(value: unknown): { step: NodeStep; message: Message } {
    const { wait, message } = this.check(value);
    wait.end(message);
    return { step: wait.step, message };
  }
}

function describe({ by, reason }: Message, step: NodeStep): string {
  return `${by ?? UNKNOWN_SENDER} ended the wait in its step ${step}${reason === undefined ? '' : ` (${reason})`}`;
}

function refused(message: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(message, 'Refused');
}
