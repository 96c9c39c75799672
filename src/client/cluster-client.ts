/** The typed API of ospatch: what the CLI uses, and any program that wants the same. */
import { randomUUID } from 'node:crypto';
import { hostname, userInfo } from 'node:os';
import type { WorkflowHandle } from '@temporalio/client';
import { WithStartWorkflowOperation, WorkflowFailedError } from '@temporalio/client';
import type { NodeCheck } from '../activities/types';
import {
  WORKFLOW_TYPES,
  checkWorkflowId,
  clusterWorkflowId,
  logWorkflowId,
  nodeWorkflowId,
  rolloutWorkflowId,
} from '../domain/ids';
import type {
  ApplySpecAnswer,
  CancelRunAnswer,
  ClusterHistory,
  Message,
  PatchNowAnswer,
  PatchNowMessage,
  PauseAnswer,
  RemoveAnswer,
  RunSummary,
} from '../domain/messages';
import { notPatchableReason } from '../domain/messages';
import type { NodePatchResult } from '../domain/node-patch';
import type { NodeSettled } from '../domain/node-status';
import type { RolloutProgress, RolloutReport } from '../domain/run';
import type { ClusterSpec, NodeTarget } from '../domain/spec';
import { diffSpecs } from '../domain/spec-diff';
import { specTooLarge } from '../domain/spec-size';
import { OspatchError, isOspatchError } from '../domain/errors';
import {
  applySpecUpdate,
  cancelRunUpdate,
  explainQuery,
  historyQuery,
  nodePatchQuery,
  patchNowUpdate,
  pauseUpdate,
  progressQuery,
  removeUpdate,
  resumeUpdate,
  specQuery,
} from '../workflows/messages';
import type { ConnectOptions, Session } from './connection';
import { connect } from './connection';
import { noWorker, toClientError } from './errors';
import type { LiveStatus } from './live-status';
import { readLiveStatus } from './live-status';

/** A worker that polled within this time counts as there; a long poll lasts a minute. */
const WORKER_SEEN_MS = 90_000;

/** How many node records are read at once. */
const READS_AT_ONCE = 8;

export interface ClusterListItem {
  cluster: string;
  type: string;
  state: string;
  ready: boolean | null;
  nextWindow: string | null;
  createdAt: string;
}

/** One run with the record of every node, as far as Temporal still has it. */
export interface RunReport {
  run: number;
  summary: RunSummary | null;
  nodes: { settled: NodeSettled; record: NodePatchResult | null }[];
}

export interface NodeLog {
  log: string;
  truncated: boolean;
}

/** How a check is bounded: how long one node may take to be reached, in milliseconds. */
const CHECK_UNREACHABLE_MS = 15_000;
/** The answers of this many nodes fit into one message, also when each has hundreds of pending packages. */
const CHECKS_AT_ONCE = 20;
const LOG_MAX_BYTES = 512 * 1024;
/** Time for a worker to look at every node, beyond the deadline of a single call. */
const INSPECTION_DEADLINE_MS = 4 * 60_000;

export class ClusterClient {
  private constructor(
    private readonly session: Session,
    private readonly by: string,
  ) {}

  /** @throws OspatchError `NoServer` when no Temporal server answers. */
  static async connect(options: ConnectOptions = {}): Promise<ClusterClient> {
    return new ClusterClient(await connect(options), options.by ?? currentUser());
  }

  async close(): Promise<void> {
    await this.session.client.connection.close();
  }

  /** `host:port` of the Temporal server. */
  get address(): string {
    return this.session.address;
  }

  get namespace(): string {
    return this.session.namespace;
  }

  /**
   * Creates the cluster or puts the spec into force at once. Says which, and what changed. The same spec again changes
   * nothing. Without a worker nothing is begun.
   */
  async apply(spec: ClusterSpec, message: Message = {}): Promise<ApplySpecAnswer> {
    const tooLarge = specTooLarge(spec);
    if (tooLarge !== null) throw new OspatchError({ type: 'InvalidSpec', message: `${spec.name}: ${tooLarge}.` });
    await this.ensureWorker();
    const applyId = randomUUID();
    const start = new WithStartWorkflowOperation(WORKFLOW_TYPES.cluster, {
      workflowId: clusterWorkflowId(spec.name),
      taskQueue: this.session.taskQueue,
      args: [{ spec, applyId }],
      workflowIdConflictPolicy: 'USE_EXISTING',
      workflowIdReusePolicy: 'ALLOW_DUPLICATE',
      staticSummary: `OS patching of cluster ${spec.name} (${spec.type})`,
      memo: { type: spec.type, createdAt: new Date().toISOString() },
    });
    return this.call(spec.name, () =>
      this.session.client.workflow.executeUpdateWithStart(applySpecUpdate, {
        startWorkflowOperation: start,
        args: [{ ...this.signed(message), spec, applyId }],
      }),
    );
  }

  /** What `apply` would do: null for a new cluster, else the changed fields. */
  async diff(spec: ClusterSpec): Promise<ApplySpecAnswer['changes'] | null> {
    const current = await this.findSpec(spec.name);
    return current === null ? null : diffSpecs(current, spec);
  }

  /** The spec in force. @throws OspatchError `NotFound`. */
  async spec(cluster: string): Promise<ClusterSpec> {
    return this.query(cluster, (handle) => handle.query(specQuery));
  }

  /** The spec in force, null when there is no such cluster. */
  async findSpec(cluster: string): Promise<ClusterSpec | null> {
    try {
      return await this.spec(cluster);
    } catch (error) {
      if (error instanceof OspatchError && error.type === 'NotFound') return null;
      throw error;
    }
  }

  /** The status with what is going on at this moment merged in. */
  async status(cluster: string): Promise<LiveStatus> {
    return this.call(cluster, () => readLiveStatus(this.session, cluster));
  }

  /** Why the cluster does what it does now, in words. */
  async explain(cluster: string): Promise<string> {
    return this.query(cluster, (handle) => handle.query(explainQuery));
  }

  async history(cluster: string): Promise<ClusterHistory> {
    return this.query(cluster, (handle) => handle.query(historyQuery));
  }

  /** Starts a run now, or files it for after the run in progress. */
  async patch(cluster: string, message: PatchNowMessage = {}): Promise<PatchNowAnswer> {
    return this.request(cluster, (handle, updateId) =>
      handle.executeUpdate(patchNowUpdate, { args: [this.signed(message)], updateId }),
    );
  }

  /** Lets nodes in flight finish and starts nothing else until `resume`. */
  async pause(cluster: string, message: Message = {}): Promise<PauseAnswer> {
    return this.request(cluster, (handle, updateId) =>
      handle.executeUpdate(pauseUpdate, { args: [this.signed(message)], updateId }),
    );
  }

  async resume(cluster: string, message: Message = {}): Promise<PauseAnswer> {
    return this.request(cluster, (handle, updateId) =>
      handle.executeUpdate(resumeUpdate, { args: [this.signed(message)], updateId }),
    );
  }

  /** Cancels the run in progress; a package transaction that has begun is finished. */
  async cancelRun(cluster: string, message: Message = {}): Promise<CancelRunAnswer> {
    return this.request(cluster, (handle, updateId) =>
      handle.executeUpdate(cancelRunUpdate, { args: [this.signed(message)], updateId }),
    );
  }

  /** Stops managing the cluster. Nodes stay as they are. */
  async remove(cluster: string, message: Message = {}): Promise<RemoveAnswer> {
    return this.request(cluster, (handle, updateId) =>
      handle.executeUpdate(removeUpdate, { args: [this.signed(message)], updateId }),
    );
  }

  /** Resolves when a removed cluster has ended its run and its workflow. */
  async untilRemoved(cluster: string): Promise<void> {
    const { client, address, namespace, deadlineMs } = this.session;
    try {
      await client.workflow.getHandle(clusterWorkflowId(cluster)).result();
    } catch (error) {
      // However it ended, it is gone.
      if (error instanceof WorkflowFailedError) return;
      throw toClientError(error, { address, namespace, cluster, deadlineMs });
    }
  }

  /** All clusters of the namespace; needs no worker. */
  async list(): Promise<ClusterListItem[]> {
    return this.call(null, async () => {
      const items: ClusterListItem[] = [];
      const query = `WorkflowType = "${WORKFLOW_TYPES.cluster}" AND ExecutionStatus = "Running"`;
      for await (const execution of this.session.client.workflow.list({ query })) {
        const memo = execution.memo ?? {};
        items.push({
          cluster: execution.workflowId.replace(/^cluster\//, ''),
          type: textOr(memo['type'], 'unknown'),
          state: textOr(memo['state'], 'unknown'),
          ready: typeof memo['ready'] === 'boolean' ? memo['ready'] : null,
          nextWindow: typeof memo['nextWindow'] === 'string' ? memo['nextWindow'] : null,
          createdAt: textOr(memo['createdAt'], execution.startTime.toISOString()),
        });
      }
      return items.sort((a, b) => a.cluster.localeCompare(b.cluster));
    });
  }

  /** Looks at every node through the worker; changes nothing. */
  async check(cluster: string): Promise<NodeCheck[]> {
    const targets = await this.targets(cluster);
    const checks: NodeCheck[] = [];
    for (let at = 0; at < targets.length; at += CHECKS_AT_ONCE) {
      const batch = targets.slice(at, at + CHECKS_AT_ONCE);
      checks.push(...(await this.inspect(cluster, () => this.checkTargets(cluster, batch))));
    }
    return checks;
  }

  /** The log of one node patch: of run `run`, else the newest on the node. */
  async nodeLog(cluster: string, node: string, run?: number): Promise<NodeLog> {
    const target = (await this.targets(cluster)).find((one) => one.name === node);
    if (target === undefined) {
      throw new OspatchError({
        type: 'NotFound',
        message: `cluster ${cluster} has no node ${node}.`,
        remedy: `\`ospatch status ${cluster}\` shows its nodes`,
      });
    }
    const token = run === undefined ? null : await this.tokenOf(cluster, node, run);
    return this.inspect(cluster, () =>
      this.session.client.workflow.execute<(input: unknown) => Promise<NodeLog>>(WORKFLOW_TYPES.readNodeLog, {
        workflowId: logWorkflowId(cluster, node, randomUUID()),
        taskQueue: this.session.taskQueue,
        workflowExecutionTimeout: INSPECTION_DEADLINE_MS,
        args: [{ target, token, maxBytes: LOG_MAX_BYTES, unreachableTimeoutMs: CHECK_UNREACHABLE_MS }],
        staticSummary: `log of ${node}, asked for by ${this.by}`,
      }),
    );
  }

  /** One run node by node, with packages and steps. @throws OspatchError `NotFound` when Temporal does not have it any more. */
  async run(cluster: string, run: number): Promise<RunReport> {
    const { runs } = await this.history(cluster);
    const settled = await this.settledNodes(cluster, run);
    const nodes: RunReport['nodes'] = [];
    for (let at = 0; at < settled.length; at += READS_AT_ONCE) {
      const batch = settled.slice(at, at + READS_AT_ONCE);
      nodes.push(
        ...(await Promise.all(batch.map(async (one) => ({ settled: one, record: await this.recordOf(cluster, one) })))),
      );
    }
    return { run, summary: runs.find((one) => one.number === run) ?? null, nodes };
  }

  /** @throws OspatchError `NoWorker` when no worker polls the task queue. */
  async ensureWorker(): Promise<void> {
    if (!(await this.hasWorker())) throw noWorker(this.session.taskQueue);
  }

  /** Whether a worker polls the task queue. @throws OspatchError `NotFound` when there is no such namespace. */
  async hasWorker(): Promise<boolean> {
    const { client, namespace, taskQueue } = this.session;
    const { pollers } = await this.call(null, () =>
      client.workflowService.describeTaskQueue({ namespace, taskQueue: { name: taskQueue }, taskQueueType: 1 }),
    );
    const newest = Math.max(0, ...(pollers ?? []).map((poller) => Number(poller.lastAccessTime?.seconds ?? 0) * 1000));
    return Date.now() - newest <= WORKER_SEEN_MS;
  }

  /** How each node of a run ended, of a run in progress those that have. @throws OspatchError `NotFound` */
  async settledNodes(cluster: string, run: number): Promise<NodeSettled[]> {
    const handle = this.session.client.workflow.getHandle(rolloutWorkflowId(cluster, run));
    try {
      const description = await this.call(cluster, () => handle.describe());
      if (description.status.name === 'RUNNING') {
        const progress: RolloutProgress = await this.call(cluster, () => handle.query(progressQuery));
        return progress.settled;
      }
      const report = (await this.call(cluster, () => handle.result())) as RolloutReport;
      return report.cursor.settled;
    } catch (error) {
      if (!(error instanceof OspatchError) || error.type !== 'NotFound') throw error;
      throw new OspatchError({
        type: 'NotFound',
        message: `Temporal has no run ${run} of cluster ${cluster} (any more).`,
        remedy: `\`ospatch history ${cluster}\` lists the last runs; Temporal keeps details for its retention period`,
      });
    }
  }

  private async recordOf(cluster: string, settled: NodeSettled): Promise<NodePatchResult | null> {
    if (settled.workflowRunId === null) return null;
    const handle = this.session.client.workflow.getHandle(nodeWorkflowId(cluster, settled.node), settled.workflowRunId);
    try {
      return (await this.call(cluster, () => handle.result())) as NodePatchResult;
    } catch {
      // Past its retention or terminated: the summary is what is left.
      return null;
    }
  }

  private checkTargets(cluster: string, targets: NodeTarget[]): Promise<NodeCheck[]> {
    return this.session.client.workflow.execute<(input: unknown) => Promise<NodeCheck[]>>(WORKFLOW_TYPES.checkCluster, {
      workflowId: checkWorkflowId(cluster, randomUUID()),
      taskQueue: this.session.taskQueue,
      args: [{ targets, unreachableTimeoutMs: CHECK_UNREACHABLE_MS }],
      workflowExecutionTimeout: INSPECTION_DEADLINE_MS,
      staticSummary: `check of cluster ${cluster}, asked for by ${this.by}`,
    });
  }

  private async tokenOf(cluster: string, node: string, run: number): Promise<string> {
    const settled = (await this.settledNodes(cluster, run)).find((one) => one.node === node);
    if (settled !== undefined) {
      const record = await this.recordOf(cluster, settled);
      if (record !== null) return record.token;
    } else {
      const record = await this.runningRecord(cluster, node);
      if (record?.run === run) return record.token;
    }
    throw new OspatchError({ type: 'NotFound', message: `run ${run} left no log on ${node}: it was not tried there.` });
  }

  /** The record of the node patch in progress; null when there is none. */
  private async runningRecord(cluster: string, node: string): Promise<NodePatchResult | null> {
    const handle = this.session.client.workflow.getHandle(nodeWorkflowId(cluster, node));
    try {
      return await this.call(cluster, () => handle.query(nodePatchQuery));
    } catch (error) {
      if (error instanceof OspatchError && error.type === 'NotFound') return null;
      throw error;
    }
  }

  private async targets(cluster: string): Promise<NodeTarget[]> {
    const spec = await this.spec(cluster);
    if (spec.type !== 'self-managed') {
      throw new OspatchError({ type: 'Refused', message: notPatchableReason(spec.type) ?? '' });
    }
    return spec.nodes.map(({ name, host, ssh, hostKeys }) => ({ cluster, name, host, ssh, hostKeys }));
  }

  /** Fills in who acts. */
  private signed<M extends Message>(message: M): M {
    return { by: this.by, ...message };
  }

  private async request<T>(
    cluster: string,
    send: (handle: WorkflowHandle, updateId: string) => Promise<T>,
  ): Promise<T> {
    const handle = this.session.client.workflow.getHandle(clusterWorkflowId(cluster));
    // The server keeps a request that nobody answers and hands it to the next worker, however much later.
    await this.ensureWorker();
    try {
      return await this.call(cluster, () => send(handle, randomUUID()));
    } catch (error) {
      throw isOspatchError(error) && error.type === 'NoWorker' ? mayStillHappen(error, cluster) : error;
    }
  }

  /** Asks a running cluster; one that was removed counts as not there. */
  private query<T>(cluster: string, ask: (handle: WorkflowHandle) => Promise<T>): Promise<T> {
    const { client } = this.session;
    return this.call(cluster, async () => {
      const handle = client.workflow.getHandle(clusterWorkflowId(cluster));
      return ask(handle);
    });
  }

  private async inspect<T>(cluster: string, look: () => Promise<T>): Promise<T> {
    await this.ensureWorker();
    return this.call(cluster, look, INSPECTION_DEADLINE_MS);
  }

  /** Every call has a deadline, and every failure becomes a sentence. */
  private async call<T>(
    cluster: string | null,
    body: () => Promise<T>,
    deadlineMs = this.session.deadlineMs,
  ): Promise<T> {
    const { client, address, namespace, taskQueue } = this.session;
    const context = { address, namespace, cluster, deadlineMs };
    try {
      return await client.withDeadline(Date.now() + deadlineMs, body);
    } catch (error) {
      const described = toClientError(error, context);
      if (described instanceof OspatchError && described.type === 'NoWorker')
        throw await this.whyNoAnswer(described, taskQueue);
      throw described;
    }
  }

  /** A missing worker is by far the most common reason; say so when it is one. */
  private async whyNoAnswer(noAnswer: OspatchError, taskQueue: string): Promise<OspatchError> {
    const { client, namespace } = this.session;
    try {
      const { pollers } = await client.withDeadline(Date.now() + 3_000, () =>
        client.workflowService.describeTaskQueue({ namespace, taskQueue: { name: taskQueue }, taskQueueType: 1 }),
      );
      return (pollers ?? []).length === 0 ? noWorker(taskQueue, noAnswer) : noAnswer;
    } catch {
      return noAnswer;
    }
  }
}

function mayStillHappen(error: OspatchError, cluster: string): OspatchError {
  return new OspatchError(
    {
      type: 'NoWorker',
      message: `${error.message.replace(/\.$/, '')}. The request has been sent and may still be carried out.`,
      remedy: `see \`ospatch status ${cluster}\` once a worker runs, before asking again`,
    },
    { cause: error },
  );
}

function currentUser(): string {
  try {
    return `${userInfo().username}@${hostname()}`;
  } catch {
    // Containers may run under a user id that has no name.
    return `uid-${process.getuid?.() ?? 'unknown'}@${hostname()}`;
  }
}

function textOr(value: unknown, otherwise: string): string {
  return typeof value === 'string' ? value : otherwise;
}
