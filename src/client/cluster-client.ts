/**
 * The typed API of ospatch, for the CLI and other programs. What only some calls need is imported when they are made: schemas
 * and recovery would take a third of the time that a command needs to start.
 */
import { randomUUID } from 'node:crypto';
import { hostname, userInfo } from 'node:os';
import {
  WithStartWorkflowOperation,
  WorkflowFailedError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
} from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { Finding } from '../domain/inspection/finding';
import type { NodeInspection } from '../domain/inspection/node';
import type { EksInspection } from '../domain/eks/node-groups';
import { OspatchError } from '../domain/shared/errors';
import { WORKFLOW_TYPES, clusterWorkflowId, runWorkflowId } from '../contract/workflow-ids';
import type {
  ApplySpecAnswer,
  CancelRunAnswer,
  ClusterHistory,
  ClusterSummary,
  Message,
  PatchNowAnswer,
  PatchNowMessage,
  PauseAnswer,
  ReleaseAnswer,
  RemoveAnswer,
} from '../domain/cluster/messages';
import { SPEC_MISSING } from '../domain/cluster/messages';
import type { EventsPage, EventsRequest } from '../domain/cluster/event-pages';
import type { SteeringAnswer, SteeringMessage, SteeringName } from '../domain/cluster/steering';
import type { MemberSettled } from '../domain/cluster/member';
import type { Explanation } from '../domain/explain/explanation';
import type { ClusterSpec } from '../domain/spec/types';
import { commandOf } from '../domain/cluster/verbs';
import { defined } from '../domain/shared/defined';
import { diffSpecs } from '../domain/spec/diff';
import { specTooLarge } from '../domain/spec/size';
import { storedBytes } from '../encryption/compression';
import {
  applySpecUpdate,
  cancelRunUpdate,
  eventsQuery,
  historyQuery,
  patchNowUpdate,
  pauseUpdate,
  removeUpdate,
  resumeUpdate,
  specQuery,
  STEERING_UPDATES,
  summaryQuery,
} from '../contract/messages';
import { TemporalCalls } from './temporal-calls';
import type { AuditReport } from './audit';
import type { backUpClusters } from './backup';
import type { ClusterHealth } from './cluster-health';
import type { ClusterListItem } from './cluster-list';
import type { ClusterOverview } from './fleet';
import { clusterStart } from './cluster-start';
import type { ConnectOptions, TemporalSession } from './connection';
import { connect } from './connection';
import type { ClusterDiagnosis, ClusterDiagnosisOptions, InstallationDiagnosis } from './doctor';
import type { Doctor } from './doctor';
import type { Cleared } from './delete-ended';
import { toClientError } from './errors';
import type { RunReport } from './inspector';
import type { LogNews, NodeLog } from './log-follower';
import type { WorkflowHistory } from './histories';
import type { Inspector } from './inspector';
import type { TargetTest } from '../domain/notifications/types';
import { awaitRunEnd } from './run-end';
import type { PlanOptions } from './run-plan';
import { isEks } from '../domain/eks/node-groups';
import type { EksPlan } from '../domain/eks/plan';
import type { RunPlan } from '../domain/run/plan';
import type { LiveStatus } from './live-status';
import type { ClusterBackup, RecoverOptions, Recovered, RecoveryPlan } from './recovery';
import { temporalUiLink } from './ui-link';
import type { ServerVersions } from './versions';
import { StatusMemory, readLiveStatus, withStatusLines } from './live-status';

export type { AuditReport, AuditVerdict, AuditedRequest } from './audit';
export type { ClusterHealth } from './cluster-health';
export type { ClusterListItem } from './cluster-list';
export type { ClusterOverview } from './fleet';
export type { Cleared } from './delete-ended';
export type { ClusterBackup, RecoverOptions, Recovered, RecoveryPlan } from './recovery';
export type { RunReport } from './inspector';
export type { LogNews, NodeLog } from './log-follower';
export type { PlanOptions } from './run-plan';

/**
 * A connection to the clusters of one Temporal namespace. Unless a method says that it needs no worker, a worker answers.
 *
 * Every method that calls Temporal may throw `NoServer`, `NoWorker`, `Usage` (keys, namespace, rights) and `Internal`, every
 * one about a cluster `NotFound` and `Stuck` too; a method names what else is thrown, and what these mean there.
 */
export class ClusterClient {
  private readonly calls: TemporalCalls;
  private readonly memory = new StatusMemory();
  private diagnosis: Promise<Doctor> | null = null;
  private diagnosing = 0;

  private constructor(
    private readonly session: TemporalSession,
    private readonly by: string,
  ) {
    this.calls = new TemporalCalls(session);
  }

  /**
   * Opens a connection. What `options` leave out comes from the environment and the file of the `temporal` CLI.
   *
   * @throws OspatchError `NoServer` when no Temporal server answers, `Usage` when the configuration or a key cannot be read
   */
  static async connect(options: ConnectOptions = {}): Promise<ClusterClient> {
    return new ClusterClient(await connect(options), options.by ?? currentUser());
  }

  /** Uses an existing connection; `by`: the sender of requests. */
  static of(session: TemporalSession, by: string): ClusterClient {
    return new ClusterClient(session, by);
  }

  /** Closes the connection; calls in progress fail. */
  async close(): Promise<void> {
    await this.session.client.connection.close();
  }

  /** `host:port` of the Temporal server. */
  get address(): string {
    return this.session.address;
  }

  /** The Temporal namespace whose clusters these are. */
  get namespace(): string {
    return this.session.namespace;
  }

  /**
   * Creates the cluster, or puts the spec into force at once. Returns which of the two, and the changes. Applying the
   * same spec again changes nothing. Without a worker nothing is sent. A cluster whose workflow has ended without being
   * removed is recreated only with `discardHistory`.
   *
   * @throws OspatchError `Stuck`, `NoWorker`, `InvalidSpec`
   */
  async apply(
    spec: ClusterSpec,
    message: Message = {},
    { discardHistory = false }: { discardHistory?: boolean } = {},
  ): Promise<ApplySpecAnswer> {
    const tooLarge = specTooLarge(spec, storedBytes(spec));
    if (tooLarge !== null) throw new OspatchError({ type: 'InvalidSpec', message: `${spec.name}: ${tooLarge}` });
    const applyId = randomUUID();
    const sent = await this.signed(spec.name, 'apply', { ...message, spec, applyId });
    // A spec may be as large as a message, so it is sent once: as start argument when the cluster is new.
    const start = () =>
      new WithStartWorkflowOperation(WORKFLOW_TYPES.cluster, {
        ...clusterStart(spec, this.session.taskQueue),
        args: [sent],
        workflowIdConflictPolicy: 'USE_EXISTING',
        memo: { type: spec.type },
      });
    const { workflow } = this.session.client;
    const create = (): Promise<ApplySpecAnswer> =>
      workflow.executeUpdateWithStart(applySpecUpdate, {
        startWorkflowOperation: start(),
        args: [{ applyId }],
      });
    const update = (): Promise<ApplySpecAnswer> =>
      workflow
        .getHandle(clusterWorkflowId(spec.name))
        .executeUpdate(applySpecUpdate, { args: [sent], updateId: randomUUID() });
    const send = async (isThere: boolean): Promise<ApplySpecAnswer> => {
      try {
        return await (isThere ? update() : create());
      } catch (error) {
        // The cluster was created or removed concurrently.
        if (isThere && error instanceof WorkflowNotFoundError) return create();
        if (!isThere && isSpecMissing(error)) return update();
        throw error;
      }
    };
    return this.calls.sendToCluster(spec.name, send, discardHistory);
  }

  /**
   * What `apply` would do: null for a new cluster, else the changed fields. `discardHistory` as for `apply`.
   *
   * @throws OspatchError `Stuck`
   */
  async diff(spec: ClusterSpec, { discardHistory = false } = {}): Promise<ApplySpecAnswer['changes'] | null> {
    try {
      const inForce = await this.spec(spec.name);
      const { withDefaults } = await import('../domain/spec/parse.js');
      return diffSpecs(withDefaults(inForce), spec);
    } catch (error) {
      if (!(error instanceof OspatchError)) throw error;
      if (error.type === 'NotFound' || (discardHistory && hasEnded(error))) return null;
      throw error;
    }
  }

  /** The spec in force. @throws OspatchError `NotFound`. */
  async spec(cluster: string): Promise<ClusterSpec> {
    return this.calls.query(cluster, (handle) => handle.query(specQuery));
  }

  /** The spec in force; null when the cluster does not exist or its workflow has ended. */
  async findSpec(cluster: string): Promise<ClusterSpec | null> {
    try {
      return await this.spec(cluster);
    } catch (error) {
      if (error instanceof OspatchError && (error.type === 'NotFound' || hasEnded(error))) return null;
      throw error;
    }
  }

  /** The status, merged with the live progress. @throws OspatchError `NotFound` */
  async status(cluster: string): Promise<LiveStatus> {
    return this.calls.ofCluster(cluster, () => readLiveStatus(this.session, cluster, this.memory));
  }

  /** The status, with a warning on each node that is the same machine as another node, in this or another cluster. */
  async statusAmongClusters(cluster: string): Promise<LiveStatus> {
    const status = await this.status(cluster);
    if (status.type !== 'self-managed') return status;
    const { withSharedMachines } = await import('./machines.js');
    return withStatusLines({ ...status, nodes: await withSharedMachines(this.calls, cluster, status.nodes) });
  }

  /** By cluster: which nodes of these applied specs are the same machine as another node. */
  async sharedMachines(specs: readonly ClusterSpec[]): Promise<Map<string, Finding[]>> {
    const { sharedMachinesOf } = await import('./machines.js');
    return sharedMachinesOf(this.calls, specs);
  }

  /** The status without nodes. @throws OspatchError `NotFound` */
  async summary(cluster: string): Promise<ClusterSummary> {
    return this.calls.query(cluster, (handle) => handle.query(summaryQuery));
  }

  /**
   * Why the cluster and its run, or one of its nodes, do not go on: one sentence for each thing that does not happen, what
   * weighs most first; empty when nothing holds anything up. A cluster that cannot answer is a reason too.
   *
   * @param time how a time inside a sentence is shown; default: ISO 8601
   * @throws OspatchError `NotFound` when there is no such cluster or node
   */
  async explain(cluster: string, node?: string, time: (iso: string) => string = (iso) => iso): Promise<Explanation[]> {
    const { explain } = await import('./explain.js');
    return explain(this.calls, cluster, node ?? null, { readStatus: () => this.status(cluster), time });
  }

  /** The last runs, windows and requests, oldest first. @throws OspatchError `NotFound` */
  async history(cluster: string): Promise<ClusterHistory> {
    return this.calls.query(cluster, (handle) => handle.query(historyQuery));
  }

  /**
   * What has happened, and who did it, oldest first: a page of the events after `since`. The log is bounded, so old events may
   * be missing. `life` of the answer changes when numbers are given anew, after a recovery or a reset.
   */
  async events(cluster: string, request: EventsRequest = {}): Promise<EventsPage> {
    return this.calls.query(cluster, (handle) => handle.query(eventsQuery, request));
  }

  /** The history of a cluster that was removed, as long as Temporal keeps its workflow; null when there is none. */
  async historyOfRemoved(cluster: string): Promise<ClusterHistory | null> {
    return this.calls.queryRemoved(cluster, historyQuery);
  }

  /** The same of its events; the last ones say who has removed it. */
  async eventsOfRemoved(cluster: string, request: EventsRequest = {}): Promise<EventsPage | null> {
    return this.calls.queryRemoved(cluster, eventsQuery, request);
  }

  /**
   * Starts a run now, or queues it: after the run in progress, or for the next maintenance window. The answer has the number
   * of the run and what it waits for.
   *
   * @throws OspatchError `Refused` while the cluster is paused, and for nodes, a selector or a time that cannot be served
   */
  async patch(cluster: string, message: PatchNowMessage = {}): Promise<PatchNowAnswer> {
    const sent = await this.signed(cluster, 'patch', message);
    return this.calls.request(cluster, (handle, updateId) =>
      handle.executeUpdate(patchNowUpdate, { args: [sent], updateId }),
    );
  }

  /** Lets the nodes in progress finish and starts no others until `resume`. @throws OspatchError `Refused` */
  async pause(cluster: string, message: Message = {}): Promise<PauseAnswer> {
    const sent = await this.signed(cluster, 'pause', message);
    return this.calls.request(cluster, (handle, updateId) =>
      handle.executeUpdate(pauseUpdate, { args: [sent], updateId }),
    );
  }

  /** Undoes `pause`; a run that was paused goes on. @throws OspatchError `Refused` */
  async resume(cluster: string, message: Message = {}): Promise<PauseAnswer> {
    const sent = await this.signed(cluster, 'resume', message);
    return this.calls.request(cluster, (handle, updateId) =>
      handle.executeUpdate(resumeUpdate, { args: [sent], updateId }),
    );
  }

  /**
   * Cancels the run in progress and what is queued, which the answer names; a started package transaction is completed.
   *
   * @throws OspatchError `Refused` when there is nothing to cancel
   */
  async cancelRun(cluster: string, message: Message = {}): Promise<CancelRunAnswer> {
    const sent = await this.signed(cluster, 'cancel', message);
    return this.calls.request(cluster, (handle, updateId) =>
      handle.executeUpdate(cancelRunUpdate, { args: [sent], updateId }),
    );
  }

  /**
   * Steers the run in progress, or locks a node: `skip`, `retry`, `setConcurrency`, `setMaxFailures`, `extendWindow`, `lock`, `unlock`.
   *
   * @returns what happens now, in one sentence
   * @throws OspatchError `Refused` with what would be allowed
   */
  async steer(cluster: string, name: SteeringName, message: SteeringMessage): Promise<SteeringAnswer> {
    const update = STEERING_UPDATES[name];
    const sent = await this.signed(cluster, commandOf(name), message);
    return this.calls.request(cluster, (handle, updateId) => handle.executeUpdate(update, { args: [sent], updateId }));
  }

  /**
   * Ends the wait for a changed node, or for its API server. Nothing on the node is stopped.
   *
   * @throws OspatchError `NotFound` when no run works on the node, `Refused` when the node has no such wait
   */
  async release(cluster: string, node: string, message: Message = {}): Promise<ReleaseAnswer> {
    const { releaseNode } = await import('./release.js');
    return releaseNode(this.calls, cluster, node, await this.signed(cluster, 'release', message));
  }

  /**
   * Sends a test message to the targets of notifications, or to one of them, and returns what each has answered.
   *
   * @throws OspatchError `NotFound` when there is no such target
   */
  async testNotifications(cluster: string, options: { target?: string } = {}): Promise<TargetTest[]> {
    const { requestNotificationTest } = await import('./notifications.js');
    const [spec, { createdAt }] = [await this.spec(cluster), await this.summary(cluster)];
    return requestNotificationTest(this.calls, { spec, createdAt }, { ...options, by: this.by });
  }

  /**
   * Stops managing the cluster, after the run in progress has been cancelled. Nodes stay as they are.
   *
   * @throws OspatchError `NotFound`, `Stuck`
   */
  async remove(cluster: string, message: Message = {}): Promise<RemoveAnswer> {
    const sent = await this.signed(cluster, 'remove', message);
    return this.calls.request(cluster, (handle, updateId) =>
      handle.executeUpdate(removeUpdate, { args: [sent], updateId }),
    );
  }

  /**
   * Deletes Temporal's data of a cluster whose workflow has ended without `remove`, after which the cluster cannot be
   * recovered. Nodes stay as they are. Needs no worker.
   *
   * @throws OspatchError `Refused` when the workflow of the cluster runs, `NotFound` when there is no data
   */
  async clearEnded(cluster: string): Promise<Cleared> {
    const { clearEnded } = await import('./delete-ended.js');
    return clearEnded(this.calls, cluster);
  }

  /** Resolves when a removed cluster has ended its run and its workflow. */
  async untilRemoved(cluster: string): Promise<void> {
    const { client, address, namespace, deadlineMs } = this.session;
    try {
      await client.workflow.getHandle(clusterWorkflowId(cluster)).result();
    } catch (error) {
      // Any end will do.
      if (error instanceof WorkflowFailedError) return;
      throw toClientError(error, { address, namespace, cluster, deadlineMs });
    }
  }

  /** All clusters of the namespace, including stuck ones and ones that ended without being removed; needs no worker. */
  async list(): Promise<ClusterListItem[]> {
    const { listClusters } = await import('./cluster-list.js');
    return listClusters(this.calls);
  }

  /** Why nothing goes on in the clusters of this task queue: no worker polls. Null: one does. */
  missingWorker(): Promise<OspatchError | null> {
    return this.calls.missingWorker();
  }

  /** What every cluster of the namespace needs, or what is next there, worst first. */
  async fleet(): Promise<ClusterOverview[]> {
    const { readFleet } = await import('./fleet.js');
    return readFleet(this.calls);
  }

  /** The state of the cluster's workflow in Temporal; needs no worker. */
  async health(cluster: string): Promise<ClusterHealth> {
    return this.calls.health(cluster);
  }

  /**
   * What `recover` would do with a cluster, from its history or from `backup`; needs no worker.
   *
   * @throws OspatchError `NotFound`, `Usage`, `Stuck` when the state is unreadable
   */
  async planRecovery(cluster: string, backup: ClusterBackup | null = null): Promise<RecoveryPlan> {
    const { planRecovery } = await import('./recovery.js');
    return planRecovery(this.calls, cluster, backup);
  }

  /**
   * Terminates the workflow of a cluster in any state and restarts it with the state from its history or a backup. A
   * run in progress ends with it; the nodes in progress are finished. Needs no worker.
   *
   * @throws OspatchError as `planRecovery`; `Refused` when the cluster was started concurrently
   */
  async recover(cluster: string, options: RecoverOptions): Promise<Recovered> {
    const { recover } = await import('./recovery.js');
    return recover(this.calls, cluster, this.by, options);
  }

  /** A backup of each cluster of the namespace, or the error, one by one; needs no worker. */
  async *backUp(): ReturnType<typeof backUpClusters> {
    const { backUpClusters: backUps } = await import('./backup.js');
    yield* backUps(this.calls);
  }

  /**
   * The cluster in the Temporal UI; null where the address of the UI is not known: TEMPORAL_UI_URL, Temporal Cloud and
   * `ospatch dev` tell it.
   *
   * @throws OspatchError `Usage` when TEMPORAL_UI_URL is no address
   */
  uiLink(cluster: string): string | null {
    return temporalUiLink(this.session, cluster, process.env);
  }

  /** The versions of the Temporal server and of the workers of the task queue; needs no worker. */
  async versions(): Promise<ServerVersions> {
    const { readVersions } = await import('./versions.js');
    return readVersions(this.calls);
  }

  /**
   * Inspects every node or EKS node group through the workers; changes nothing. What is wrong with a node is part of its
   * inspection.
   *
   * @throws OspatchError `NotFound`, `Refused` for a cluster without nodes, `NoWorker`
   */
  async check(cluster: string): Promise<NodeInspection[] | EksInspection> {
    return (await this.inspector()).check(cluster);
  }

  /**
   * What the next run would do, node by node or node group by node group, and when. Nodes, or AWS, are asked through the workers,
   * and nothing is changed. `spec`: one that need not be applied; default: that in force.
   *
   * @throws OspatchError `NotFound`, `Refused` for a cluster that ospatch does not patch, `NoWorker`
   */
  async plan(cluster: string, options: PlanOptions = {}, spec: ClusterSpec | null = null): Promise<RunPlan | EksPlan> {
    const inForce = spec === null ? await this.spec(cluster) : await this.findSpec(cluster);
    const wanted = spec ?? inForce;
    if (wanted === null) throw new OspatchError({ type: 'NotFound', message: `there is no cluster ${cluster}` });
    const status = inForce === null ? null : await this.status(cluster);
    const isInForce = spec === null;
    if (isEks(wanted)) {
      const { requestEksPlan } = await import('./eks-plan.js');
      return requestEksPlan(this.calls, this.by, { spec: wanted, status, isInForce }, options);
    }
    const { requestPlan } = await import('./run-plan.js');
    return requestPlan(this.calls, this.by, { spec: wanted, status, isInForce }, options);
  }

  /**
   * Inspects Temporal, its search attributes, the workers and all clusters; problems are returned as findings. `asked`:
   * the clusters that are diagnosed as well, if any.
   */
  async diagnoseInstallation(asked: readonly string[] | null = null): Promise<InstallationDiagnosis> {
    return (await this.doctor()).installation(asked);
  }

  /** Findings about a run of this spec, which need not be applied: its nodes are inspected through the workers. */
  async diagnoseCluster(spec: ClusterSpec, options: ClusterDiagnosisOptions): Promise<ClusterDiagnosis> {
    // Diagnoses side by side share what they read of all other clusters.
    this.diagnosis ??= this.doctor();
    this.diagnosing += 1;
    try {
      return await (await this.diagnosis).cluster(spec, options);
    } finally {
      this.diagnosing -= 1;
      if (this.diagnosing === 0) this.diagnosis = null;
    }
  }

  /**
   * The log of one node patch: from run `run`, else the newest on the node.
   *
   * @throws OspatchError `NotFound` when there is no such node, patch or log, and the error of reaching the node
   */
  async nodeLog(cluster: string, node: string, run?: number): Promise<NodeLog> {
    return (await this.inspector()).nodeLog(cluster, node, run);
  }

  /**
   * The log of a node patch, then what is added to it until the patch has ended: of run `run`, else of the patch in
   * progress or to come in the run in progress, else of the newest on the node. `pause` is called between two readings;
   * its answer `false` ends the log.
   *
   * @throws OspatchError as `nodeLog`; a node that cannot be reached in the middle of its patch is news
   */
  async *followNodeLog(
    cluster: string,
    node: string,
    options: { run?: number | undefined; pause: () => Promise<boolean> },
  ): AsyncGenerator<LogNews, void> {
    yield* (await this.inspector()).followNodeLog(cluster, node, options);
  }

  /**
   * Removes a stale cordon of ospatch from a node; cordons of others are kept. `false`: there was none.
   *
   * @throws OspatchError `Refused` while a run works on the node, `NotFound`, `NoWorker`, `KubernetesApi`
   */
  async uncordon(cluster: string, node: string, { reason }: Pick<Message, 'reason'> = {}): Promise<boolean> {
    const { requestUncordon } = await import('./kubernetes.js');
    return requestUncordon(this.calls, await this.spec(cluster), node, { by: this.by, ...defined({ reason }) });
  }

  /** One run by node, with packages and steps. @throws OspatchError `NotFound` when Temporal no longer has the run. */
  async run(cluster: string, run: number): Promise<RunReport> {
    return (await this.inspector()).run(cluster, run);
  }

  /** The settled nodes of a run, which may be in progress. @throws OspatchError `NotFound` */
  async settledNodes(cluster: string, run: number): Promise<MemberSettled[]> {
    return (await this.inspector()).settledNodes(cluster, run);
  }

  /**
   * How the nodes of run `run` ended, as soon as it has; `createdAt` is that of the cluster's status. Null when that is not
   * known: the run was put down for now or terminated, the server went away, or `signal` has fired. Needs no worker.
   */
  async awaitRunEnd(
    cluster: string,
    createdAt: string,
    run: number,
    signal: AbortSignal,
  ): Promise<MemberSettled[] | null> {
    return awaitRunEnd(this.session, runWorkflowId(cluster, createdAt, run), signal);
  }

  /**
   * Verifies who asked the cluster for what, in all histories of it that Temporal has. `signers`: path of a list of signers. Needs
   * no worker.
   *
   * @throws OspatchError `NotFound`
   */
  async audit(cluster: string, signers: string): Promise<AuditReport> {
    const { auditOf } = await import('./audit-sources.js');
    return auditOf(this.calls, cluster, signers);
  }

  /**
   * Histories of all running workflows of the task queue; with `ended` also of closed ones within the retention. Needs
   * no worker.
   */
  async *histories(ended: boolean): AsyncIterable<WorkflowHistory> {
    const { readHistories } = await import('./histories.js');
    yield* readHistories(this.calls, ended);
  }

  /** @throws OspatchError `NoWorker` when no worker polls the task queue. */
  async ensureWorker(): Promise<void> {
    return this.calls.ensureWorker();
  }

  /** Whether a worker polls the task queue. @throws OspatchError `NotFound` when there is no such namespace. */
  async hasWorker(): Promise<boolean> {
    return this.calls.hasWorker();
  }

  private async doctor(): Promise<Doctor> {
    const { Doctor: ClusterDoctor } = await import('./doctor.js');
    return new ClusterDoctor(this.calls, await this.inspector(), this.by);
  }

  private async inspector(): Promise<Inspector> {
    const { Inspector: NodeInspector } = await import('./inspector.js');
    return new NodeInspector(this.calls, this.by);
  }

  /** Adds the sender and, with a signing key, the signature of the whole message. */
  private async signed<M extends Message>(cluster: string, verb: string, message: M): Promise<M> {
    const sent = { by: this.by, ...message };
    const { sign, namespace } = this.session;
    if (sign === undefined) return sent;
    const { signedMessage } = await import('./signed-message.js');
    return signedMessage({ namespace, cluster, verb }, sent, sign);
  }
}

function hasEnded({ type, details }: OspatchError): boolean {
  return type === 'Stuck' && details?.['kind'] === 'ended';
}

function isSpecMissing(error: unknown): boolean {
  if (!(error instanceof WorkflowUpdateFailedError)) return false;
  return error.cause instanceof ApplicationFailure && error.cause.type === SPEC_MISSING;
}

function currentUser(): string {
  try {
    return `${userInfo().username}@${hostname()}`;
  } catch {
    // In a container the user id may have no name.
    return `uid-${process.getuid?.() ?? 'unknown'}@${hostname()}`;
  }
}
