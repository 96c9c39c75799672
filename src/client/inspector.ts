/** Inspections of nodes through short workflows, and past runs from Temporal's data. */
import { randomUUID } from 'node:crypto';
import { WorkflowFailedError } from '@temporalio/client';
import type { NodeInspection } from '../domain/inspection/node';
import { failedInspection } from '../domain/inspection/node';
import { OspatchError } from '../domain/shared/errors';
import { WORKFLOW_PRIORITIES } from '../contract/priorities';
import {
  WORKFLOW_TYPES,
  inspectionWorkflowId,
  logWorkflowId,
  nodeWorkflowId,
  runWorkflowId,
} from '../contract/workflow-ids';
import type { ClusterHistory, RunSummary } from '../domain/cluster/messages';
import { rejectionOf } from '../domain/cluster/messages';
import type { MemberSettled, PatchRecord } from '../domain/cluster/member';
import { memberName } from '../domain/cluster/member';
import type { RunInput } from '../domain/run/run';
import { notTried } from '../domain/run/run';
import { isRunResult } from '../domain/run/progress-parser';
import type { EksInspection } from '../domain/eks/node-groups';
import { accessOf, isEks } from '../domain/eks/node-groups';
import type { NodeAddress } from '../domain/cluster/task-queues';
import { nodeAddresses } from '../domain/cluster/task-queues';
import type { ClusterSpec, EksSpec, SelfManagedSpec } from '../domain/spec/types';
import { historyQuery, nodePatchQuery, specQuery } from '../contract/messages';
import { readLiveStatus } from './live-status';
import type { LogNews, LogSource, NodeLog } from './log-follower';
import { followLog } from './log-follower';
import { answerOf, readNodeRecord, readRunInput } from './node-records';
import { readSettled } from './pages';
import type { TemporalCalls } from './temporal-calls';
import { requestInspections } from './inspection';
import { defined } from '../domain/shared/defined';

/** Concurrent reads of node records. */
const READS_AT_ONCE = 8;

/** Retry limit for an unreachable node when reading its log, in milliseconds. */
const UNREACHABLE_MS = 15_000;
const LOG_MAX_BYTES = 512 * 1024;
/** Time for inspecting node groups or reading a log, beyond the deadline of a single call. */
const INSPECTION_DEADLINE_MS = 4 * 60_000;

/** The error when a log of an EKS cluster is requested. */
const NO_NODES =
  'a node group of EKS has no log: AWS replaces its nodes and ospatch connects to none of them; `ospatch history` with the name of the cluster and --run shows what AWS did';

/** One run with the record of every node, as far as Temporal still has them. */
export interface RunReport {
  run: number;
  summary: RunSummary | null;
  nodes: { settled: MemberSettled; record: PatchRecord | null }[];
}

export class Inspector {
  constructor(
    private readonly calls: TemporalCalls,
    private readonly by: string,
  ) {}

  /**
   * Inspects every node or EKS node group through the workers; changes nothing.
   *
   * @throws OspatchError `NotFound`, `NoWorker`, or the error that prevented the inspection of every node
   */
  async check(cluster: string): Promise<NodeInspection[] | EksInspection> {
    const any = await this.anySpec(cluster);
    if (isEks(any)) return this.inspect(cluster, () => this.inspectEks(any));
    const spec = withNodes(any);
    await this.calls.ensureWorker();
    const targets = nodeAddresses(spec);
    const { kubernetes } = spec;
    const { nodes, failures } = await requestInspections(this.calls, { spec, targets, kubernetes, by: this.by });
    const [failure] = failures;
    if (nodes.length === 0 && failure !== undefined) throw new OspatchError(failure.error);
    const failed = failures.flatMap((one) => one.nodes.map((name) => failedInspection(name, one.error)));
    const byName = new Map([...nodes, ...failed].map((one) => [one.node, one]));
    return targets.flatMap(({ name }) => byName.get(name) ?? []);
  }

  /** The same as {@link inspectEks}, once a worker is there. `names`: of these node groups; null: of those of the spec. */
  inspectGroups(spec: EksSpec, names: readonly string[] | null): Promise<EksInspection> {
    return this.inspect(spec.name, () => this.inspectEks(spec, names));
  }

  /** Inspects the node groups of an EKS cluster, which need not be applied. */
  async inspectEks(spec: EksSpec, names: readonly string[] | null = null): Promise<EksInspection> {
    const access = accessOf(spec.eks);
    const { launchTemplates = false } = spec.eks;
    const nodeGroups = names ?? spec.eks.nodeGroups;
    const site = defined({ taskQueue: spec.taskQueue });
    return this.calls.session.client.workflow.execute<(input: unknown) => Promise<EksInspection>>(
      WORKFLOW_TYPES.inspectEks,
      {
        workflowId: inspectionWorkflowId(spec.name, randomUUID()),
        taskQueue: this.calls.session.taskQueue,
        args: [{ access, nodeGroups, ...defined({ launchTemplates: launchTemplates || undefined }), ...site }],
        priority: { priorityKey: WORKFLOW_PRIORITIES.inspectEks },
        workflowExecutionTimeout: INSPECTION_DEADLINE_MS,
        staticSummary: `inspection of EKS cluster ${access.cluster}, requested by ${this.by}`,
      },
    );
  }

  /** The log of one node patch: from run `run`, else the newest on the node. */
  async nodeLog(cluster: string, node: string, run?: number): Promise<NodeLog> {
    const target = await this.addressOf(cluster, node);
    const token = run === undefined ? null : await this.tokenOf(cluster, node, run);
    return this.readLog(target, token);
  }

  /**
   * The log of one node patch and what is added to it, until the patch has ended: of run `run`, else of the one in
   * progress or to come in the run in progress, else of the newest on the node. `pause` is called between two readings
   * and ends the log with false.
   */
  async *followNodeLog(
    cluster: string,
    node: string,
    { run, pause }: { run?: number | undefined; pause: () => Promise<boolean> },
  ): AsyncGenerator<LogNews, void> {
    const target = await this.addressOf(cluster, node);
    const asked = run === undefined ? null : await this.tokenOf(cluster, node, run);
    const source: LogSource = {
      read: (token) => this.readLog(target, token),
      inProgress: async () => {
        const record = await this.runningRecord(cluster, node);
        return record?.kind === 'node' ? record.token : null;
      },
      isWaiting: async () => {
        const status = await this.calls.ofCluster(cluster, () => readLiveStatus(this.calls.session, cluster));
        return status.run !== null && status.nodes.find(({ name }) => name === node)?.state === 'waiting';
      },
      pause,
    };
    yield* followLog(source, asked);
  }

  private async addressOf(cluster: string, node: string): Promise<NodeAddress> {
    const target = nodeAddresses(withNodes(await this.anySpec(cluster))).find((one) => one.name === node);
    if (target !== undefined) return target;
    throw new OspatchError({
      type: 'NotFound',
      message: `cluster ${cluster} has no node ${node}`,
      remedy: `\`ospatch status ${cluster}\` shows its nodes`,
    });
  }

  private readLog(target: NodeAddress, token: string | null): Promise<NodeLog> {
    const { cluster, name } = target;
    return this.inspect(cluster, () =>
      this.calls.session.client.workflow.execute<(input: unknown) => Promise<NodeLog>>(WORKFLOW_TYPES.readNodeLog, {
        workflowId: logWorkflowId(cluster, name, randomUUID()),
        taskQueue: this.calls.session.taskQueue,
        priority: { priorityKey: WORKFLOW_PRIORITIES.readNodeLog },
        workflowExecutionTimeout: INSPECTION_DEADLINE_MS,
        args: [{ target, token, maxBytes: LOG_MAX_BYTES, unreachableTimeoutMs: UNREACHABLE_MS }],
        staticSummary: `log of ${name}, requested by ${this.by}`,
      }),
    );
  }

  /** One run by node, with packages and steps. @throws OspatchError `NotFound` when Temporal no longer has the run. */
  async run(cluster: string, run: number): Promise<RunReport> {
    const history = await this.history(cluster);
    const settled = await this.settledNodesOf(cluster, history, run);
    const nodes: RunReport['nodes'] = [];
    for (let at = 0; at < settled.length; at += READS_AT_ONCE) {
      const batch = settled.slice(at, at + READS_AT_ONCE);
      nodes.push(
        ...(await Promise.all(batch.map(async (one) => ({ settled: one, record: await this.recordOf(cluster, one) })))),
      );
    }
    return { run, summary: summaryOf(history, run), nodes };
  }

  /** The settled nodes of a run, which may be in progress. @throws OspatchError `NotFound` */
  async settledNodes(cluster: string, run: number): Promise<MemberSettled[]> {
    return this.settledNodesOf(cluster, await this.history(cluster), run);
  }

  private history(cluster: string): Promise<ClusterHistory> {
    return this.calls.query(cluster, (handle) => handle.query(historyQuery));
  }

  private async settledNodesOf(cluster: string, history: ClusterHistory, run: number): Promise<MemberSettled[]> {
    const workflowId = runWorkflowId(cluster, history.createdAt, run);
    const summary = summaryOf(history, run);
    const handle = this.calls.session.client.workflow.getHandle(workflowId);
    try {
      const description = await this.calls.call(cluster, () => handle.describe());
      if (description.status.name === 'RUNNING') {
        return await this.calls.call(cluster, () => readSettled(handle));
      }
      const report = await this.calls.call(cluster, () => answerOf(handle).catch(nullWhenTerminated));
      if (!isRunResult(report)) return [];
      const { settled } = report.cursor;
      // A run that expired while another one was in progress has no workflow that ends it.
      if (report.end === 'finished' || summary === null) return settled;
      const input = await this.calls.call(cluster, () => readRunInput(this.calls.session, workflowId));
      return withUntried(settled, input, summary);
    } catch (error) {
      if (!(error instanceof OspatchError) || error.type !== 'NotFound') throw error;
      // Nothing has begun, so there is nothing to know of any node.
      if (summary !== null && summary.notTried === summary.total) return [];
      throw new OspatchError({
        type: 'NotFound',
        message: `Temporal has no run ${run} of cluster ${cluster} (any more)`,
        remedy: `\`ospatch history ${cluster}\` lists the last runs; Temporal keeps details for its retention period`,
      });
    }
  }

  private async recordOf(cluster: string, settled: MemberSettled): Promise<PatchRecord | null> {
    if (settled.workflowRunId === null) return null;
    const { node, workflowRunId } = settled;
    try {
      return await this.calls.call(cluster, () => readNodeRecord(this.calls.session, cluster, node, workflowRunId));
    } catch {
      // Past its retention, or terminated: only the summary is left.
      return null;
    }
  }

  private async tokenOf(cluster: string, node: string, run: number): Promise<string> {
    const history = await this.history(cluster);
    const { createdAt } = history;
    const settled = (await this.settledNodesOf(cluster, history, run)).find((one) => one.node === node);
    if (settled !== undefined) {
      const record = await this.recordOf(cluster, settled);
      if (record?.kind === 'node') return record.token;
    } else {
      const record = await this.runningRecord(cluster, node, runWorkflowId(cluster, createdAt, run));
      if (record?.kind === 'node') return record.token;
    }
    const message = `run ${run} left no log on ${node}: it was not tried there`;
    throw new OspatchError({ type: 'NotFound', message, remedy: `see \`ospatch history ${cluster} --run ${run}\`` });
  }

  /** The record of the node patch in progress, if run `runId` has started it or none is named; null when there is none. */
  private async runningRecord(cluster: string, node: string, runId?: string): Promise<PatchRecord | null> {
    const handle = this.calls.session.client.workflow.getHandle(nodeWorkflowId(cluster, node));
    try {
      const { raw, status, type } = await this.calls.call(cluster, () => handle.describe());
      if (runId !== undefined && raw.workflowExecutionInfo?.parentExecution?.workflowId !== runId) return null;
      if (runId === undefined && (status.name !== 'RUNNING' || type !== WORKFLOW_TYPES.patchNode)) return null;
      return await this.calls.call(cluster, () => handle.query(nodePatchQuery));
    } catch (error) {
      if (error instanceof OspatchError && error.type === 'NotFound') return null;
      throw error;
    }
  }

  private anySpec(cluster: string): Promise<ClusterSpec> {
    return this.calls.query(cluster, (handle) => handle.query(specQuery));
  }

  private async inspect<T>(cluster: string, look: () => Promise<T>): Promise<T> {
    await this.calls.ensureWorker();
    return this.calls.call(cluster, look, INSPECTION_DEADLINE_MS);
  }
}

/** A run workflow that somebody has terminated has no result. */
function nullWhenTerminated(error: unknown): null {
  if (error instanceof WorkflowFailedError) return null;
  throw error;
}

function summaryOf({ runs }: ClusterHistory, run: number): RunSummary | null {
  return runs.find((one) => one.number === run) ?? null;
}

function withUntried(
  settled: readonly MemberSettled[],
  { nodes, policy: { kind } }: RunInput,
  { number, outcome }: RunSummary,
): MemberSettled[] {
  const known = new Set(settled.map(({ node }) => node));
  const why = `run ${number} ${outcome === 'expired' ? 'expired' : 'ended'} before this ${memberName(kind)}`;
  return [...settled, ...nodes.filter(({ name }) => !known.has(name)).map(({ name }) => notTried(kind, name, why))];
}

/** @throws OspatchError `Refused` when the cluster has no nodes that ospatch connects to */
function withNodes(spec: ClusterSpec): SelfManagedSpec {
  if (spec.type === 'self-managed') return spec;
  throw new OspatchError({ type: 'Refused', message: rejectionOf(spec) ?? NO_NODES });
}
