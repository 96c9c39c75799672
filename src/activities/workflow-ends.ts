/**
 * Waits for other workflows to close without holding an activity slot: the activity completes asynchronously. The worker
 * long-polls the history of the workflow, which is not billed and notices the close within a second, whatever caused it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { CompleteAsyncError, activityInfo, getClient } from '@temporalio/activity';
import { ActivityCancelledError, ActivityNotFoundError, isGrpcServiceError } from '@temporalio/client';
import type { Client } from '@temporalio/client';
import { ApplicationFailure, IllegalStateError } from '@temporalio/common';
import { temporal } from '@temporalio/proto';
import { withAbortSignal } from '../abortable-calls';
import { END_WATCH_MS } from '../domain/node/time-limits';
import { defined } from '../domain/shared/defined';

const GRPC_NOT_FOUND = 5;

/** Pause after a failed call to the server. */
const RETRY_MS = 5_000;

const { HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT } = temporal.api.enums.v1.HistoryEventFilterType;

export type Execution = { workflowId: string; runId: string };

/** What is known of a closed execution: its result, or the execution that continues it. */
export type End<T> = { result: T } | { goesOnAs: Execution };

export type Answer<T> = (execution: Execution) => Promise<End<T>>;

/** Calls to the server that one activity has open: proxies in front of a server often allow 100 for each connection. */
const CALLS_AT_ONCE = 50;

/** How long a call lasts when the calls take turns. */
const TURN_MS = 1_000;

/** Ends that are this close together have one answer. */
const GATHER_MS = 500;

/** An answer with more would be large. */
const MAX_ENDS = 200;

export class WorkflowEnds {
  private readonly closing = new AbortController();
  private readonly open = new Set<Promise<void>>();

  /**
   * Completes the calling activity once `execution` has closed, with the result of `answer`; while `answer` names another
   * execution, that one is waited for.
   *
   * @throws CompleteAsyncError always
   */
  answerAtEndOf<T>(execution: Execution, answer: () => Promise<End<T>>): never {
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
    return this.follow(watch());
  }

  /**
   * Completes the calling activity with the answers for those of `executions` that have closed, soon after the first of
   * them has. An activity with a heartbeat timeout heartbeats until then.
   *
   * @throws CompleteAsyncError always
   */
  answerAtFirstEnds<T>(executions: readonly Execution[], answer: Answer<T>): never {
    const { taskToken, heartbeatTimeoutMs } = activityInfo();
    const client = getClient();
    const signal = AbortSignal.any([this.closing.signal, AbortSignal.timeout(END_WATCH_MS)]);
    const watch = async (): Promise<void> => {
      const ends = new FirstEnds(client, executions, answer);
      const beat = (): void => {
        // Whoever no longer runs has no use for the answer.
        client.activity.heartbeat(taskToken).catch((error: unknown) => {
          if (isGone(error)) ends.stop();
        });
      };
      const isBeating = heartbeatTimeoutMs !== undefined && heartbeatTimeoutMs > 0;
      const heartbeats = isBeating ? setInterval(beat, heartbeatTimeoutMs / 3).unref() : undefined;
      const stop = (): void => ends.stop();
      signal.addEventListener('abort', stop, { once: true });
      try {
        const found = await ends.first();
        if (found.length > 0) await untilAnswered(signal, () => client.activity.complete(taskToken, found));
        else await client.activity.fail(taskToken, stillRunning(executions[0]));
      } finally {
        clearInterval(heartbeats);
        signal.removeEventListener('abort', stop);
      }
    };
    return this.follow(watch());
  }

  private follow(watch: Promise<void>): never {
    // An attempt that is never completed times out, and the next one follows.
    const work = watch.catch(() => undefined);
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
function stillRunning(execution: Execution | undefined): ApplicationFailure {
  return ApplicationFailure.create({
    message: `${execution?.workflowId ?? 'nothing'} is still running`,
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
      if (signal.aborted || isGone(error)) throw error;
      await sleep(RETRY_MS, undefined, { signal, ref: false });
    }
  }
}

/** The activity has ended or nobody waits for it, or its worker has ended. */
function isGone(error: unknown): boolean {
  return (
    error instanceof ActivityNotFoundError ||
    error instanceof ActivityCancelledError ||
    error instanceof IllegalStateError
  );
}

/** Waits for many executions with few calls at once, which take turns. */
class FirstEnds<T> {
  private readonly turns: Execution[];
  private readonly found: T[] = [];
  private readonly calls = new Set<AbortController>();
  private readonly stopped = new AbortController();
  private gathering: NodeJS.Timeout | undefined;

  constructor(
    private readonly client: Client,
    private readonly executions: readonly Execution[],
    private readonly answer: Answer<T>,
  ) {
    this.turns = [...executions];
  }

  stop(): void {
    clearTimeout(this.gathering);
    this.stopped.abort();
    for (const call of this.calls) call.abort();
  }

  /** Empty: stopped before one has ended. */
  async first(): Promise<T[]> {
    await Promise.all(this.turns.slice(0, CALLS_AT_ONCE).map(() => this.takeTurns()));
    return this.found;
  }

  private async takeTurns(): Promise<void> {
    for (let turn = this.turns.shift(); turn !== undefined && !this.stopped.signal.aborted; turn = this.turns.shift()) {
      try {
        if (!(await this.closesInTurn(turn))) this.turns.push(turn);
        else {
          const end = await this.answer(turn);
          if ('result' in end) this.note(end.result);
          else this.turns.push(end.goesOnAs);
        }
      } catch {
        this.turns.push(turn);
        await sleep(RETRY_MS, undefined, { signal: this.stopped.signal, ref: false }).catch(() => undefined);
      }
    }
  }

  private note(end: T): void {
    this.found.push(end);
    const { length } = this.found;
    if (length === this.executions.length || length >= MAX_ENDS) this.stop();
    else this.gathering ??= setTimeout(() => this.stop(), GATHER_MS).unref();
  }

  private async closesInTurn(execution: Execution): Promise<boolean> {
    const call = new AbortController();
    const isCrowded = this.executions.length > CALLS_AT_ONCE;
    const end = isCrowded ? setTimeout(() => call.abort(), TURN_MS).unref() : undefined;
    this.calls.add(call);
    try {
      await untilClosed(this.client, execution, call.signal);
      return true;
    } catch (error) {
      if (call.signal.aborted) return false;
      throw error;
    } finally {
      clearTimeout(end);
      this.calls.delete(call);
    }
  }
}

async function untilClosed(client: Client, execution: Execution, signal: AbortSignal): Promise<void> {
  const { namespace } = client.options;
  for (let nextPageToken: Uint8Array | undefined; ;) {
    const page = defined({ nextPageToken });
    try {
      const { history, nextPageToken: next } = await withAbortSignal(client, signal, () =>
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
