/** Calls to Temporal with deadlines, and with errors converted to messages for users. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import { QueryRejectedError } from '@temporalio/client';
import type { QueryDefinition } from '@temporalio/common';
import { decodeArrayFromPayloads, encodeToPayloadsWithContext } from '@temporalio/common/lib/internal-non-workflow';
import { temporal } from '@temporalio/proto';
import { withAbortSignal } from '../abortable-calls';
import { clusterWorkflowId } from '../contract/workflow-ids';
import type { QueueSeen } from '../domain/inspection/workers';
import { atWork, explainIdle } from '../domain/inspection/workers';
import type { ErrorType } from '../domain/shared/errors';
import { OspatchError, isOspatchError } from '../domain/shared/errors';
import type { ClusterHealth } from './cluster-health';
import { failedQuery, readHealth } from './cluster-health';
import type { TemporalSession } from './connection';
import { countPollers, readQueue } from './pollers';
import { packageVersion } from '../version';
import { isFailedQuery, noWorker, stuckError, toClientError } from './errors';

/** A worker reports its start just before its first poll. */
const FIRST_POLL_MS = 3_000;
const FIRST_POLL_PAUSE_MS = 200;

/** Time limit for diagnosing a missing answer. */
const DIAGNOSIS_MS = 3_000;

/** How soon a waiting user learns that the cluster cannot answer. */
const FIRST_LOOK_MS = 2_000;
const NEXT_LOOK_MS = 3_000;
const SECOND_LOOK_MS = 1_000;

/** Errors whose cause may be a stuck cluster. */
const EXPLAINED: readonly ErrorType[] = ['NoWorker', 'NotFound', 'Stuck', 'Internal'];

/** A cluster that has just answered has a worker, and its payloads can be read here. */
const ANSWERED_MS = 2_000;

/** Retries during continue-as-new of a cluster, which completes within this time. */
const FRESH_HISTORY_TRIES = 20;
const FRESH_HISTORY_PAUSE_MS = 50;

export class TemporalCalls {
  /** The cluster that has answered last, and when. */
  private answered: { cluster: string; at: number } | null = null;

  constructor(readonly session: TemporalSession) {}

  /** Runs a call with a deadline, and converts its errors. */
  async call<T>(cluster: string | null, body: () => Promise<T>, deadlineMs = this.session.deadlineMs): Promise<T> {
    const { client, address, namespace } = this.session;
    const context = { address, namespace, cluster, deadlineMs };
    try {
      return await client.withDeadline(Date.now() + deadlineMs, () => retryAcrossContinueAsNew(body));
    } catch (error) {
      const described = toClientError(error, context);
      if (described instanceof OspatchError && described.type === 'NoWorker')
        throw await this.explainNoAnswer(described);
      throw described;
    }
  }

  /** Queries a running cluster; a removed one counts as missing. */
  query<T>(cluster: string, ask: (handle: WorkflowHandle) => Promise<T>): Promise<T> {
    const handle = this.session.client.workflow.getHandle(clusterWorkflowId(cluster));
    return this.ofCluster(cluster, () => ask(handle));
  }

  /** Queries a removed cluster, as long as Temporal keeps its workflow; null when there is no such cluster. */
  async queryRemoved<T, A extends unknown[]>(
    cluster: string,
    { name }: QueryDefinition<T, A>,
    ...args: A
  ): Promise<T | null> {
    if ((await this.health(cluster)).state !== 'removed') return null;
    const { client, namespace } = this.session;
    const { loadedDataConverter } = client.options;
    return this.call(cluster, async () => {
      const workflowId = clusterWorkflowId(cluster);
      const place = { type: 'workflow', namespace, workflowId } as const;
      const queryArgs = { payloads: (await encodeToPayloadsWithContext(loadedDataConverter, place, args)) ?? [] };
      // A handle of this client asks nothing of a workflow that has ended.
      const { queryResult } = await client.workflowService.queryWorkflow({
        ...{ namespace, execution: { workflowId } },
        query: { queryType: name, queryArgs },
      });
      const [value] = await decodeArrayFromPayloads(loadedDataConverter, queryResult?.payloads, place);
      return value as T;
    });
  }

  /**
   * Like `call`, for the workflow of a cluster: reports within seconds why the cluster does not answer.
   *
   * @throws OspatchError `Stuck`, `NotFound`
   */
  async ofCluster<T>(cluster: string, body: () => Promise<T>): Promise<T> {
    const over = new AbortController();
    // An open call would keep the connection from closing until its deadline.
    const answer = withAbortSignal(this.session.client, over.signal, () => this.call(cluster, body));
    // The loser of the race must not cause an unhandled rejection.
    answer.catch(() => undefined);
    try {
      const value = await Promise.race([answer, this.rejectWhenStuck(cluster, over.signal)]);
      this.answered = { cluster, at: performance.now() };
      return value;
    } catch (error) {
      throw await this.explainCluster(cluster, error);
    } finally {
      over.abort();
    }
  }

  /** Sends a request to a cluster, unless there is no worker to execute it. */
  async request<T>(cluster: string, send: (handle: WorkflowHandle, updateId: string) => Promise<T>): Promise<T> {
    const handle = this.session.client.workflow.getHandle(clusterWorkflowId(cluster));
    return this.sendToCluster(cluster, () => send(handle, randomUUID()));
  }

  /**
   * Like `request`, including requests that start the cluster. Nothing is sent to a cluster that would execute it only
   * later. `discardHistory`: a cluster whose workflow has ended without being removed may be started from scratch.
   * `body` gets whether the cluster exists.
   */
  async sendToCluster<T>(cluster: string, body: (isThere: boolean) => Promise<T>, discardHistory = false): Promise<T> {
    if (!this.hasJustAnswered(cluster)) {
      await this.ensureWorker();
      await this.assertReadable(cluster);
    }
    const { state } = await this.assertNotStuck(cluster, discardHistory);
    try {
      return await this.ofCluster(cluster, () => body(state === 'running'));
    } catch (error) {
      throw mayBeCarriedOut(error) ? mayStillHappen(error, cluster) : error;
    }
  }

  private hasJustAnswered(cluster: string): boolean {
    const { answered } = this;
    return answered?.cluster === cluster && performance.now() - answered.at < ANSWERED_MS;
  }

  /** Like `request`, for requests other than updates of an existing cluster. */
  async send<T>(cluster: string, body: () => Promise<T>): Promise<T> {
    // The server keeps an unanswered request and passes it to the next worker, however much later.
    await this.ensureWorker();
    await this.assertReadable(cluster);
    try {
      return await this.call(cluster, body);
    } catch (error) {
      throw mayBeCarriedOut(error) ? mayStillHappen(error, cluster) : error;
    }
  }

  /** The state of the cluster's workflow; needs no worker. */
  health(cluster: string): Promise<ClusterHealth> {
    return this.call(cluster, () => readHealth(this.session, cluster));
  }

  /** @throws OspatchError `Stuck` */
  private async assertNotStuck(cluster: string, discardHistory: boolean): Promise<ClusterHealth> {
    let health = await this.health(cluster);
    if (health.state === 'stuck' && health.stuck.kind !== 'ended') {
      // A worker that is being replaced may fail once.
      await sleep(SECOND_LOOK_MS);
      health = await this.health(cluster);
    }
    if (health.state === 'stuck' && !(discardHistory && health.stuck.kind === 'ended')) throw stuckError(health.stuck);
    return health;
  }

  private async rejectWhenStuck(cluster: string, over: AbortSignal): Promise<never> {
    for (let wait = FIRST_LOOK_MS; ; wait = NEXT_LOOK_MS) {
      await sleep(wait, undefined, { signal: over, ref: false }).catch(() => undefined);
      if (over.aborted) return new Promise<never>(() => undefined);
      const health = await this.health(cluster).catch(() => null);
      if (health?.state === 'stuck') throw stuckError(health.stuck);
    }
  }

  /** The state of the workflow is more specific than a missing answer. */
  private async explainCluster(cluster: string, error: unknown): Promise<unknown> {
    if (!isOspatchError(error) || !EXPLAINED.includes(error.type)) return error;
    try {
      const { client } = this.session;
      const health = await client.withDeadline(Date.now() + DIAGNOSIS_MS, () => readHealth(this.session, cluster));
      if (health.state === 'stuck') return stuckError(health.stuck, error);
    } catch {
      return error;
    }
    const { cause } = error;
    return isFailedQuery(cause) ? stuckError(failedQuery(cluster, cause.message), cause) : error;
  }

  /**
   * Without the keys of a cluster its answers cannot be decoded, but requests would be executed.
   *
   * @throws OspatchError `Usage`
   */
  private async assertReadable(cluster: string): Promise<void> {
    if (this.session.keyIds.length > 0) return;
    try {
      await this.call(cluster, () => this.session.client.workflow.getHandle(clusterWorkflowId(cluster)).describe());
    } catch (error) {
      if (!isOspatchError(error) || error.type !== 'NotFound') throw error;
    }
  }

  /** Waits briefly for a starting worker to poll. @throws OspatchError `NoWorker` when none polls the task queue. */
  async ensureWorker(): Promise<void> {
    const until = Date.now() + Math.min(FIRST_POLL_MS, this.session.deadlineMs);
    for (;;) {
      const missing = await this.missingWorker();
      if (missing === null) return;
      if (Date.now() >= until) throw missing;
      await sleep(FIRST_POLL_PAUSE_MS);
    }
  }

  /** Whether a worker polls the task queue. @throws OspatchError `NotFound` when there is no such namespace. */
  async hasWorker(): Promise<boolean> {
    return (await this.countWorkers()) > 0;
  }

  /**
   * Number of workers that poll the task queue, or a site's task queue for activities. @throws OspatchError `NotFound`
   * when there is no such namespace.
   */
  async countWorkers(site?: string): Promise<number> {
    if (site === undefined) return (await this.readQueue()).pollers.length;
    return this.call(null, () => countPollers(this.session, site, 'activities'));
  }

  /** The workers that run workflows. @throws OspatchError `NotFound` when there is no such namespace. */
  async readQueue(): Promise<QueueSeen> {
    return this.call(null, () => readQueue(this.session, this.session.taskQueue, 'workflows'));
  }

  /** Why nothing goes on: no worker runs workflows. Null: one does. */
  async missingWorker(): Promise<OspatchError | null> {
    const seen = await this.readQueue();
    return atWork(seen).length > 0 ? null : this.noWorkerOf(seen);
  }

  private noWorkerOf(seen: QueueSeen, cause?: unknown): OspatchError {
    const { taskQueue } = this.session;
    const idle = explainIdle(seen, taskQueue, this.session, packageVersion());
    return idle === null ? noWorker(taskQueue, cause) : new OspatchError({ type: 'NoWorker', ...idle }, { cause });
  }

  /** Checks for a missing worker, by far the most common reason. */
  private async explainNoAnswer(noAnswer: OspatchError): Promise<OspatchError> {
    const { client, taskQueue } = this.session;
    try {
      const seen = await client.withDeadline(Date.now() + DIAGNOSIS_MS, () =>
        readQueue(this.session, taskQueue, 'workflows'),
      );
      return atWork(seen).length === 0 ? this.noWorkerOf(seen, noAnswer) : noAnswer;
    } catch {
      return noAnswer;
    }
  }
}

/** A query that arrives during continue-as-new of a cluster is rejected as if the cluster had ended. */
async function retryAcrossContinueAsNew<T>(body: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await body();
    } catch (error) {
      if (!isContinuedAsNew(error) || tries === FRESH_HISTORY_TRIES) throw error;
      await sleep(FRESH_HISTORY_PAUSE_MS);
    }
  }
}

function isContinuedAsNew(error: unknown): boolean {
  const { WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW } = temporal.api.enums.v1.WorkflowExecutionStatus;
  return error instanceof QueryRejectedError && error.status === WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW;
}

function mayBeCarriedOut(error: unknown): error is OspatchError {
  if (!isOspatchError(error)) return false;
  return error.type === 'NoWorker' || (error.type === 'Stuck' && error.details?.['kind'] !== 'ended');
}

function mayStillHappen(error: OspatchError, cluster: string): OspatchError {
  if (error.type === 'Stuck') {
    const message = `${error.message}; the request has been sent and may still be carried out`;
    return new OspatchError({ ...error.toInfo(), message }, { cause: error });
  }
  return new OspatchError(
    {
      type: 'NoWorker',
      message: `${error.message}; the request has been sent and may still be carried out`,
      remedy: `see \`ospatch status ${cluster}\` once a worker runs, before asking again`,
    },
    { cause: error },
  );
}
