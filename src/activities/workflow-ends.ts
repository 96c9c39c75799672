/**
 * Waits for other workflows to close without holding an activity slot: the activity completes asynchronously. The worker
 * long-polls the history of the workflow, which is not billed and notices the close within a second, whatever caused it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { CompleteAsyncError, activityInfo, getClient } from '@temporalio/activity';
import { ActivityNotFoundError, isGrpcServiceError } from '@temporalio/client';
import type { Client } from '@temporalio/client';
import { ApplicationFailure, IllegalStateError } from '@temporalio/common';
import { temporal } from '@temporalio/proto';
import { END_WATCH_MS } from '../domain/node/time-limits';
import { defined } from '../domain/shared/defined';

const GRPC_NOT_FOUND = 5;

/** Pause after a failed call to the server. */
const RETRY_MS = 5_000;

const { HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT } = temporal.api.enums.v1.HistoryEventFilterType;

export type Execution = { workflowId: string; runId: string };

export class WorkflowEnds {
  private readonly closing = new AbortController();
  private readonly open = new Set<Promise<void>>();

  /**
   * Completes the calling activity once `execution` has closed, with the result of `answer`; while `answer` names another
   * execution, that one is waited for.
   *
   * @throws CompleteAsyncError always
   */
  answerAtEndOf<T>(execution: Execution, answer: () => Promise<{ result: T } | { goesOnAs: Execution }>): never {
    const { taskToken } = activityInfo();
    const client = getClient();
    const signal = AbortSignal.any([this.closing.signal, AbortSignal.timeout(END_WATCH_MS)]);
    const watch = async (): Promise<void> => {
      try {
        const result = await untilAnswered(signal, async () => {
          for (let current = execution; ;) {
            await untilClosed(client, current, signal);
            const end = await answer();
            if ('result' in end) return end.result;
            current = end.goesOnAs;
          }
        });
        await untilAnswered(signal, () => client.activity.complete(taskToken, result));
      } catch {
        await client.activity.fail(taskToken, stillRunning(execution));
      }
    };
    // An attempt that is never completed times out, and the next one follows.
    const work = watch().catch(() => undefined);
    this.open.add(work);
    void work.then(() => this.open.delete(work));
    throw new CompleteAsyncError();
  }

  /** Fails all open attempts, so that other workers take the waits over at once. */
  async close(): Promise<void> {
    this.closing.abort();
    await Promise.all(this.open);
  }
}

/** Retried at once. */
function stillRunning({ workflowId }: Execution): ApplicationFailure {
  return ApplicationFailure.create({
    message: `${workflowId} is still running`,
    type: 'StillRunning',
    nextRetryDelay: '1 second',
  });
}

/** Retries while the server does not answer. Throws when `signal` is aborted or the activity is gone. */
async function untilAnswered<T>(signal: AbortSignal, call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (signal.aborted || error instanceof ActivityNotFoundError || error instanceof IllegalStateError) throw error;
      await sleep(RETRY_MS, undefined, { signal, ref: false });
    }
  }
}

async function untilClosed(client: Client, execution: Execution, signal: AbortSignal): Promise<void> {
  const { namespace } = client.options;
  for (let nextPageToken: Uint8Array | undefined; ;) {
    const page = defined({ nextPageToken });
    try {
      const { history, nextPageToken: next } = await client.withAbortSignal(signal, () =>
        client.workflowService.getWorkflowExecutionHistory({
          ...{ namespace, execution, waitNewEvent: true, skipArchival: true },
          historyEventFilterType: HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT,
          ...page,
        }),
      );
      if ((history?.events?.length ?? 0) > 0) return;
      nextPageToken = next && next.length > 0 ? next : undefined;
    } catch (error) {
      if (isGrpcServiceError(error) && Number(error.code) === GRPC_NOT_FOUND) return;
      throw error;
    }
  }
}
