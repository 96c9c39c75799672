/** Calls to Temporal: each has a deadline, and failures become messages for people. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import { QueryNotRegisteredError, QueryRejectedError } from '@temporalio/client';
import { temporal } from '@temporalio/proto';
import { clusterWorkflowId } from '../contract/workflow-ids';
import type { ErrorType } from '../domain/shared/errors';
import { OspatchError, isOspatchError } from '../domain/shared/errors';
import type { ClusterHealth } from './cluster-health';
import { failedQuery, readHealth } from './cluster-health';
import type { TemporalSession } from './connection';
import { countPollers } from './pollers';
import { isUnknownQuery, noWorker, stuckError, toClientError } from './errors';

/** A worker says that it started just before it polls for the first time. */
const FIRST_POLL_MS = 3_000;
const FIRST_POLL_PAUSE_MS = 200;

/** How long it may take to find out why nothing answered. */
const DIAGNOSIS_MS = 3_000;

/** How soon somebody who waits for an answer hears that the cluster cannot give one. */
const FIRST_LOOK_MS = 2_000;
const NEXT_LOOK_MS = 3_000;
const SECOND_LOOK_MS = 1_000;

/** Failures that a cluster which does not go on may be the reason of. */
const EXPLAINED: readonly ErrorType[] = ['NoWorker', 'NotFound', 'Stuck', 'Internal'];

/** A cluster that begins a fresh history has done so by then; its next one is asked at once. */
const FRESH_HISTORY_TRIES = 20;
const FRESH_HISTORY_PAUSE_MS = 50;

export class TemporalCalls {
  constructor(readonly session: TemporalSession) {}

  /** Every call has a deadline, and every failure becomes a sentence. */
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

  /** Asks a running cluster; one that was removed counts as not there. */
  query<T>(cluster: string, ask: (handle: WorkflowHandle) => Promise<T>): Promise<T> {
    const handle = this.session.client.workflow.getHandle(clusterWorkflowId(cluster));
    return this.ofCluster(cluster, () => ask(handle));
  }

  /**
   * Like `call`, about the workflow of a cluster: what keeps it from answering is said within seconds.
   *
   * @throws OspatchError `Stuck`, `NotFound`
   */
  async ofCluster<T>(cluster: string, body: () => Promise<T>): Promise<T> {
    const over = new AbortController();
    // A call that is left open would keep the connection from closing until its deadline.
    const answer = this.session.client.withAbortSignal(over.signal, () => this.call(cluster, body));
    // Whoever loses the race is heard by nobody.
    answer.catch(() => undefined);
    try {
      return await Promise.race([answer, this.rejectWhenStuck(cluster, over.signal)]);
    } catch (error) {
      throw await this.explainCluster(cluster, error);
    } finally {
      over.abort();
    }
  }

  /** Asks a cluster to do something. Nothing is sent when no worker is there to do it. */
  async request<T>(cluster: string, send: (handle: WorkflowHandle, updateId: string) => Promise<T>): Promise<T> {
    const handle = this.session.client.workflow.getHandle(clusterWorkflowId(cluster));
    return this.sendToCluster(cluster, () => send(handle, randomUUID()));
  }

  /**
   * Like `request`, also of what starts the cluster. Nothing is sent to one that would do it at some later time only.
   * `discardHistory`: a cluster whose workflow has ended without being removed may be started with nothing. `body` gets
   * whether the cluster was there a moment ago.
   */
  async sendToCluster<T>(cluster: string, body: (isThere: boolean) => Promise<T>, discardHistory = false): Promise<T> {
    await this.ensureWorker();
    await this.assertReadable(cluster);
    const { state } = await this.assertNotStuck(cluster, discardHistory);
    try {
      return await this.ofCluster(cluster, () => body(state === 'running'));
    } catch (error) {
      throw mayBeCarriedOut(error) ? mayStillHappen(error, cluster) : error;
    }
  }

  /** Like `request`, for requests that are not updates of a cluster that is there. */
  async send<T>(cluster: string, body: () => Promise<T>): Promise<T> {
    // The server keeps a request that nobody answers and hands it to the next worker, however much later.
    await this.ensureWorker();
    await this.assertReadable(cluster);
    try {
      return await this.call(cluster, body);
    } catch (error) {
      throw mayBeCarriedOut(error) ? mayStillHappen(error, cluster) : error;
    }
  }

  /** How the workflow of a cluster stands; needs no worker. */
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

  /** What is known of the workflow itself says more than that it does not answer. */
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
    if (!(cause instanceof QueryNotRegisteredError) || isUnknownQuery(cause)) return error;
    return stuckError(failedQuery(cluster, cause.message), cause);
  }

  /**
   * Without the keys of a cluster its answers cannot be read, and what is asked would be done all the same.
   *
   * @throws OspatchError `Usage`
   */
  private async assertReadable(cluster: string): Promise<void> {
    if (this.session.encrypts) return;
    try {
      await this.call(cluster, () => this.session.client.workflow.getHandle(clusterWorkflowId(cluster)).describe());
    } catch (error) {
      if (!isOspatchError(error) || error.type !== 'NotFound') throw error;
    }
  }

  /** Gives a worker that has only just started the time to poll. @throws OspatchError `NoWorker` when none polls the task queue. */
  async ensureWorker(): Promise<void> {
    const until = Date.now() + Math.min(FIRST_POLL_MS, this.session.deadlineMs);
    while (!(await this.hasWorker())) {
      if (Date.now() >= until) throw noWorker(this.session.taskQueue);
      await sleep(FIRST_POLL_PAUSE_MS);
    }
  }

  /** Whether a worker polls the task queue. @throws OspatchError `NotFound` when there is no such namespace. */
  async hasWorker(): Promise<boolean> {
    return (await this.countWorkers()) > 0;
  }

  /** How many workers poll the task queue, or that of a site for its activities. @throws OspatchError `NotFound` when there is no such namespace. */
  async countWorkers(site?: string): Promise<number> {
    const { taskQueue } = this.session;
    return this.call(null, () =>
      site === undefined
        ? countPollers(this.session, taskQueue, 'workflows')
        : countPollers(this.session, site, 'activities'),
    );
  }

  /** A missing worker is by far the most common reason; say so when it is one. */
  private async explainNoAnswer(noAnswer: OspatchError): Promise<OspatchError> {
    const { client, taskQueue } = this.session;
    try {
      const count = await client.withDeadline(Date.now() + DIAGNOSIS_MS, () =>
        countPollers(this.session, taskQueue, 'workflows'),
      );
      return count === 0 ? noWorker(taskQueue, noAnswer) : noAnswer;
    } catch {
      return noAnswer;
    }
  }
}

/** A question that arrives just when a cluster ends its history for the next one is turned away, as if it had ended. */
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
