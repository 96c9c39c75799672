/**
 * A Temporal server that skips time, a real worker with the real workflows, and simulated nodes behind the activity
 * interfaces. Everything but the nodes is the product.
 */
import { randomUUID } from 'node:crypto';
import { Context } from '@temporalio/activity';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import type { DataConverter } from '@temporalio/common';
import type { WorkflowHandle } from '@temporalio/client';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import type { ActivityInterceptorsFactory, WorkerOptions } from '@temporalio/worker';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import type { temporal } from '@temporalio/proto';
import { createClusterActivities } from '../../src/activities/cluster';
import type { AuditRecord, ClusterActivities } from '../../src/contract/activities/cluster';
import type { KubernetesActivities } from '../../src/contract/activities/kubernetes';
import type { NodeActivities } from '../../src/contract/activities/node';
import { findTemporal } from '../../src/dev/temporal-binary';
import { QUICK_SERVER_ARGS } from '../../src/dev/temporal-server';
import { clusterWorkflowId, nodeWorkflowId, runWorkflowId } from '../../src/contract/workflow-ids';
import type { ApplySpecAnswer, StatusPage } from '../../src/domain/cluster/messages';
import type { NodePatchResult } from '../../src/domain/node/patch';
import type { UnreachableNode } from '../../src/domain/node/report';
import { summarisePlan } from '../../src/domain/node/report';
import type { ErrorInfo } from '../../src/domain/shared/errors';
import type { ClusterSpec } from '../../src/domain/spec/types';
import { applySpecUpdate, statusQuery } from '../../src/contract/messages';
import { SEARCH_ATTRIBUTES } from '../../src/contract/search-attributes';
import { dataConverter } from '../../src/encryption/data-converter';
import type { KeyRing } from '../../src/encryption/key-ring';
import { nodeRecord, patchRecord } from '../support/node-record';
import { nodeFacts, nodeInspection, packageChange, patchPlan } from '../support/builders';
import { SimulatedKubernetes } from './simulated-kubernetes';
import { timeSkippingServer } from '../support/local-stack';
import { workflowBundle } from '../support/workflow-bundle';
import type { PatchRecord } from '../../src/domain/cluster/member';

const SERVER_STARTS = 3;

/** Only a test that has failed leaves work behind that does not end by itself. */
const SHUTDOWN_LIMIT = '60 s';

type GateStep = 'preflight' | 'apply' | 'reboot' | 'verify';

/** What a simulated node is like; tests change it as they go. */
export interface SimulatedNode {
  pending: string[];
  /** Packages in `pending` that ask for a reboot once applied. */
  asksForReboot: boolean;
  rebootRequired: boolean;
  /** Services on replaced code; a restart remedies all but those in the next two, a reboot all. */
  outdated: string[];
  notRestarted: string[];
  /** Restarted, and on replaced code as before. */
  restartedInVain: string[];
  /** Does not come up after its restart. */
  breaks: string | null;
  reboots: number;
  applies: number;
  osVersion: string;
  machineId: string | null;
  /** Thrown by the next preflight. */
  preflightError: ErrorInfo | null;
  /** What the next downloads fail with, one after the other. */
  prefetchErrors: ErrorInfo[];
  /** As many applies as this end without an exit code, as after a power cut. */
  interrupted: number;
  /** Held by tests that need a node in flight. */
  gate: { step: GateStep; open: Promise<void> } | null;
  /** The step (`preflight`: of a later attempt) in which the node is unreachable for as long as anybody asks to be told; then it is back. */
  lostIn: 'preflight' | 'apply' | 'reboot' | 'verify' | null;
  /** Our own transaction on the node does not end: `told` for as long as nobody was told, `given-up` for ever. */
  endless: 'told' | 'given-up' | null;
  /** What the step ends with, once nobody asks to be told of the wait any more. */
  failsIn: { step: 'apply' | 'reboot'; error: ErrorInfo } | null;
  /** What a reboot that is cancelled at its gate tells. */
  rebootRequested: 'no' | 'unknown' | 'yes';
}

/** As the real activity is: cancelled, it says how far it has come. */
async function cancellable(work: Promise<void>, details: object): Promise<void> {
  const { heartbeat, cancelled } = Context.current();
  const beats = setInterval(() => heartbeat(), 100);
  try {
    await Promise.race([work, cancelled]);
  } catch (error) {
    throw error instanceof CancelledFailure ? new CancelledFailure(error.message, [details]) : error;
  } finally {
    clearInterval(beats);
  }
}

export class SimulatedNodes {
  private readonly nodes = new Map<string, SimulatedNode>();
  readonly audit: AuditRecord[] = [];
  readonly order: string[] = [];
  readonly powerCycles: string[] = [];
  /** Every step in its order, e.g. `apply w-1`. */
  readonly log: string[] = [];

  node(name: string): SimulatedNode {
    const known = this.nodes.get(name);
    if (known !== undefined) return known;
    const fresh: SimulatedNode = {
      pending: ['openssl'],
      asksForReboot: false,
      rebootRequired: false,
      outdated: [],
      notRestarted: [],
      restartedInVain: [],
      breaks: null,
      reboots: 0,
      applies: 0,
      osVersion: 'Debian GNU/Linux 12.14',
      machineId: `machine-${name}`,
      preflightError: null,
      prefetchErrors: [],
      interrupted: 0,
      gate: null,
      lostIn: null,
      endless: null,
      failsIn: null,
      rebootRequested: 'yes',
    };
    this.nodes.set(name, fresh);
    return fresh;
  }

  /** Holds the node before `step` until the returned function is called. */
  hold(name: string, step: GateStep): () => void {
    let release = (): void => undefined;
    const open = new Promise<void>((resolve) => {
      release = resolve;
    });
    this.node(name).gate = { step, open };
    return release;
  }

  activities(): NodeActivities {
    const facts = (name: string): ReturnType<typeof nodeFacts> => {
      const node = this.node(name);
      return nodeFacts({
        osVersion: node.osVersion,
        bootId: `boot-${node.reboots}`,
        machineId: node.machineId,
        reboot: { required: node.rebootRequired, reasons: node.rebootRequired ? ['simulated'] : [] },
        outdated: { services: node.outdated, sessions: [], containers: [], processes: [] },
      });
    };
    const gate = async (name: string, step: GateStep): Promise<void> => {
      const { gate: held } = this.node(name);
      if (held?.step === step) await held.open;
    };
    return {
      preflight: async ({ target, attempt, observedMs }) => {
        this.order.push(target.name);
        this.log.push(`preflight ${target.name}`);
        const node = this.node(target.name);
        if (node.lostIn !== 'preflight') await gate(target.name, 'preflight');
        else if (attempt > 1) {
          if (observedMs === undefined) throw unreachable(target.name);
          await cancellable(gate(target.name, 'preflight'), {});
        }
        if (node.preflightError !== null) {
          const { type, message } = node.preflightError;
          throw ApplicationFailure.create({ message, type, nonRetryable: true, details: [node.preflightError] });
        }
        return { facts: facts(target.name), plan: summarisePlan(patchPlan(...node.pending)), repaired: null };
      },
      prefetch: ({ target }) => {
        this.log.push(`prefetch ${target.name}`);
        const failure = this.node(target.name).prefetchErrors.shift();
        if (failure === undefined) return Promise.resolve();
        const { type, message } = failure;
        throw ApplicationFailure.create({ message, type, nonRetryable: true, details: [failure] });
      },
      apply: async ({ target, noticeAfterMs, jobMs }) => {
        this.log.push(`apply ${target.name}`);
        const node = this.node(target.name);
        if (node.lostIn === 'apply' && noticeAfterMs !== undefined) return unreachableNode(noticeAfterMs);
        if (node.endless !== null && jobMs === undefined) {
          return {
            ...unreachableNode(0),
            message: `the ospatch job has not ended on ${target.name} within 6h`,
            jobMs: 1,
          };
        }
        await gate(target.name, 'apply');
        failIn('apply', node);
        if (node.endless === 'given-up') {
          const message = `the ospatch job has not ended on ${target.name} within 24h`;
          const info = { type: 'Busy', message, remedy: 'see what it waits for', details: { stillRuns: true } };
          throw ApplicationFailure.create({ message, type: 'Busy', nonRetryable: true, details: [info] });
        }
        if (node.interrupted > 0) {
          node.interrupted -= 1;
          return { state: 'interrupted', how: 'lost-reboot' };
        }
        const changes = node.pending.map((name) => packageChange(name));
        node.pending = [];
        node.applies += 1;
        node.osVersion = 'Debian GNU/Linux 12.15';
        node.rebootRequired ||= node.asksForReboot;
        return {
          state: 'done',
          result: { changes, keptConfigFiles: [], warnings: [], error: null, logBytes: 1, endedAgo: 0 },
        };
      },
      inspectFailedNode: ({ target }) =>
        Promise.resolve({ facts: facts(target.name), pending: this.node(target.name).pending.length, changes: null }),
      repair: () =>
        Promise.resolve({
          state: 'done',
          result: { changes: [], keptConfigFiles: [], warnings: [], error: null, logBytes: 1, endedAgo: 0 },
        }),
      restart: ({ target, drained }) => {
        this.log.push(`restart ${target.name}${drained ? ' drained' : ''}`);
        const node = this.node(target.name);
        const { breaks, notRestarted, restartedInVain } = node;
        const restarted = node.outdated.filter((name) => !notRestarted.includes(name) && name !== breaks);
        const skipped = notRestarted.map((name) => ({ name, reason: 'simulated' }));
        node.outdated = [...notRestarted, ...restartedInVain];
        const failed = breaks === null ? [] : [{ name: breaks, reason: 'it is failed', journal: [] }];
        const error = breaks === null ? null : ({ type: 'Unhealthy', message: `${breaks} did not come up` } as const);
        return Promise.resolve({ state: 'done', result: { restarted, skipped, failed, error } });
      },
      reboot: async ({ target, noticeAfterMs }) => {
        this.log.push(`reboot ${target.name}`);
        const node = this.node(target.name);
        await cancellable(gate(target.name, 'reboot'), { rebootRequested: node.rebootRequested });
        if (node.lostIn === 'reboot' && noticeAfterMs !== undefined) return unreachableNode(noticeAfterMs);
        failIn('reboot', node);
        node.reboots += 1;
        node.rebootRequired = false;
        node.outdated = [];
        return facts(target.name);
      },
      powerCycle: ({ target }) => {
        this.powerCycles.push(target.name);
        return Promise.resolve();
      },
      readFacts: async ({ target, unreachableTimeoutMs }) => {
        this.log.push(`verify ${target.name}`);
        if (this.node(target.name).lostIn === 'verify') {
          if (unreachableTimeoutMs <= 30 * 60_000) throw unreachable(target.name);
          await gate(target.name, 'verify');
        }
        return facts(target.name);
      },
      inspectNode: ({ target }) => {
        const { preflightError } = this.node(target.name);
        if (preflightError === null) return Promise.resolve(nodeInspection(target.name, { facts: facts(target.name) }));
        const { type, message } = preflightError;
        throw ApplicationFailure.create({ message, type, nonRetryable: true, details: [preflightError] });
      },
      readLog: () => Promise.resolve({ log: 'log', truncated: false }),
    };
  }

  clusterActivities(): ClusterActivities {
    return {
      ...createClusterActivities({ info: () => undefined }),
      recordAudit: (record) => {
        this.audit.push(record);
        return Promise.resolve(record.result);
      },
    };
  }
}

function failIn(step: 'apply' | 'reboot', { failsIn }: SimulatedNode): void {
  if (failsIn?.step !== step) return;
  const { type, message } = failsIn.error;
  throw ApplicationFailure.create({ message, type, nonRetryable: true, details: [failsIn.error] });
}

function unreachable(name: string): ApplicationFailure {
  const info = { type: 'Unreachable', message: `${name} was unreachable` };
  return ApplicationFailure.create({ ...info, nonRetryable: true, details: [info] });
}

function unreachableNode(observedMs: number): UnreachableNode {
  return { state: 'unreachable', observedMs, message: 'the simulated node is unreachable' };
}

export class Harness {
  private readonly stopping = new AbortController();
  private readonly working = new Set<Promise<void>>();

  private constructor(
    readonly env: TestWorkflowEnvironment,
    private readonly bundle: { code: string },
    private readonly keys: KeyRing | null,
  ) {}

  /**
   * `time-skipping`: years in seconds. `real`: the server that people run, for what the other one does differently. `keys`:
   * what payloads are encrypted with. `settings`: of the dynamic configuration of the real server.
   */
  static async start(
    server: 'time-skipping' | 'real' = 'time-skipping',
    keys: KeyRing | null = null,
    settings: Record<string, number | boolean> = {},
  ): Promise<Harness> {
    installRuntime();
    const bundle = await workflowBundle();
    const client = { dataConverter: dataConverter(keys, 'throw') };
    const start = () => (server === 'real' ? startRealServer(client, settings) : timeSkippingServer(client));
    return new Harness(await patiently(start), bundle, keys);
  }

  /** Ends what a test has left behind, too: a worker without its server would poll for ever and keep the process. */
  async stop(): Promise<void> {
    this.stopping.abort(new Error('the test was over before its work was'));
    await Promise.allSettled(this.working);
    // The tests have passed or failed by now; a server that does not end in order proves nothing about the product.
    await this.env
      .teardown()
      .catch((error: unknown) => console.warn('the Temporal server did not end in order:', error));
  }

  /** `host:port` of the server. */
  get address(): string {
    return this.env.connection.options.address;
  }

  /** Runs `body` while a worker without workflows, which reaches the nodes of `site`, polls `taskQueue`. */
  async withSiteWorker(
    taskQueue: string,
    site: TestCluster | object,
    body: () => Promise<void>,
    activity: ActivityInterceptorsFactory[] = [],
  ): Promise<void> {
    const connection = this.env.nativeConnection;
    const worker = await Worker.create({
      connection,
      taskQueue,
      activities: site instanceof TestCluster ? site.activities() : site,
      dataConverter: dataConverter(this.keys, 'passthrough'),
      interceptors: { activity },
      shutdownForceTime: SHUTDOWN_LIMIT,
    });
    await worker.runUntil(body());
  }

  /** A cluster with a name, a task queue and nodes of its own. */
  newCluster(): TestCluster {
    return new TestCluster(this.env, `t-${randomUUID().slice(0, 8)}`, new SimulatedNodes());
  }

  /** Runs `body` with a cluster of its own, which is gone after it. */
  async withWorker(body: (cluster: TestCluster) => Promise<void>, activities: object = {}): Promise<void> {
    const cluster = this.newCluster();
    try {
      await this.withWorkerFor(cluster, () => body(cluster), activities);
    } finally {
      // A timer of it that nobody answers would stop the clock of the server for all others.
      await cluster.handle.terminate().catch(() => undefined);
    }
  }

  /**
   * Runs `body` while a worker polls for this cluster; the worker is shut down after it. `activities`: of what is no node.
   * `options`: of a worker that is not as it should be.
   */
  async withWorkerFor(
    cluster: TestCluster,
    body: () => Promise<void>,
    activities: object = {},
    options: Pick<WorkerOptions, 'workflowBundle' | 'dataConverter' | 'enableNonLocalActivities'> = {},
  ): Promise<void> {
    const worker = await Worker.create({
      connection: this.env.nativeConnection,
      taskQueue: cluster.name,
      workflowBundle: this.bundle,
      dataConverter: dataConverter(this.keys, 'passthrough'),
      activities: { ...cluster.activities(), ...activities },
      ...options,
      // How soon a cancelled activity hears of it.
      maxHeartbeatThrottleInterval: '200 ms',
      shutdownForceTime: SHUTDOWN_LIMIT,
    });
    const { signal } = this.stopping;
    const workEnds = new AbortController();
    const stopped = new Promise<never>((_, reject) => {
      const options = { once: true, signal: workEnds.signal };
      signal.addEventListener('abort', () => reject(signal.reason as Error), options);
    });
    const work = worker.runUntil(Promise.race([body(), stopped]));
    this.working.add(work);
    try {
      await work;
    } finally {
      workEnds.abort();
      this.working.delete(work);
    }
  }
}

let runtimeInstalled = false;

/** Once for all environments of a test file. */
function installRuntime(): void {
  if (runtimeInstalled) return;
  runtimeInstalled = true;
  Runtime.install({
    logger: new DefaultLogger('ERROR'),
    telemetryOptions: { logging: { filter: { core: 'ERROR' }, forward: {} } },
  });
}

/** The SDK gives a server 5 s to start, which is not much on a busy machine. */
async function patiently(start: () => Promise<TestWorkflowEnvironment>): Promise<TestWorkflowEnvironment> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await start();
    } catch (error) {
      if (tries === SERVER_STARTS) throw error;
    }
  }
}

async function startRealServer(
  client: { dataConverter: DataConverter },
  settings: Record<string, number | boolean>,
): Promise<TestWorkflowEnvironment> {
  const path = await findTemporal(() => undefined);
  const searchAttributes = Object.values(SEARCH_ATTRIBUTES);
  const own = Object.entries(settings).flatMap(([key, value]) => ['--dynamic-config-value', `${key}=${value}`]);
  const extraArgs = [...QUICK_SERVER_ARGS, ...own];
  return TestWorkflowEnvironment.createLocal({
    server: { extraArgs, executable: { type: 'existing-path', path }, searchAttributes },
    client,
  });
}

/** One cluster under test. */
export class TestCluster {
  readonly kubernetes: SimulatedKubernetes;

  constructor(
    readonly env: TestWorkflowEnvironment,
    readonly name: string,
    readonly nodes: SimulatedNodes,
  ) {
    this.kubernetes = new SimulatedKubernetes(nodes.log);
  }

  activities(): NodeActivities & ClusterActivities & KubernetesActivities {
    return { ...this.nodes.activities(), ...this.nodes.clusterActivities(), ...this.kubernetes.activities() };
  }

  get handle(): WorkflowHandle {
    return this.env.client.workflow.getHandle(clusterWorkflowId(this.name));
  }

  async apply(spec: ClusterSpec): Promise<ApplySpecAnswer> {
    const applyId = randomUUID();
    // Two calls: the time-skipping server now and then fails both halves of an update-with-start.
    const handle = await this.env.client.workflow.start('cluster', {
      workflowId: clusterWorkflowId(this.name),
      taskQueue: this.name,
      args: [{ spec, applyId }],
      workflowIdConflictPolicy: 'USE_EXISTING',
    });
    return this.env.client.workflow
      .getHandle(handle.workflowId)
      .executeUpdate(applySpecUpdate, { args: [{ spec, applyId }] });
  }

  /** Workflow id of run `number`. */
  async runId(number: number): Promise<string> {
    return runWorkflowId(this.name, (await this.status()).createdAt, number);
  }

  status(): Promise<StatusPage> {
    return this.handle.query(statusQuery);
  }

  /** How many workflows run `number` has had in the present history of the cluster. */
  async runWorkflows(number: number): Promise<number> {
    const id = await this.runId(number);
    const { events } = await this.handle.fetchHistory();
    return (events ?? []).filter(
      ({ childWorkflowExecutionStartedEventAttributes: child }) => child?.workflowExecution?.workflowId === id,
    ).length;
  }

  /** Of the last patch of a node. */
  record(node: string): Promise<NodePatchResult> {
    return nodeRecord(this.env.client, this.name, node);
  }

  /** The same of a node group. */
  groupRecord(group: string): Promise<PatchRecord> {
    return patchRecord(this.env.client, this.name, group);
  }

  /** A moment of the server's time; that of a real server costs time of the test. */
  private moment(): Promise<void> {
    return this.env.sleep(this.env.supportsTimeSkipping ? '1 second' : '200 ms');
  }

  /** Lets the server's time pass until the status is as wanted, at most 3,600 moments of it. */
  async until(what: string, wanted: (status: StatusPage) => boolean): Promise<StatusPage> {
    for (let looks = 0; looks < 3600; looks += 1) {
      const status = await this.status().catch((error: unknown) => {
        // For a moment after a raw start.
        if (!String(error).includes('is being checked')) throw error;
      });
      if (status !== undefined && wanted(status)) return status;
      await this.moment();
    }
    throw new Error(`the time is over and not ${what}: ${JSON.stringify(await this.status(), null, 1)}`);
  }

  /** Waits until the node patch of `node` has received `signal`. */
  untilTold(node: string, signal: string): Promise<void> {
    return this.untilSignalled(nodeWorkflowId(this.name, node), signal);
  }

  /** Waits until the node patch of `node` has heard that it is cancelled. */
  untilCancelled(node: string): Promise<void> {
    return this.untilEvent(
      nodeWorkflowId(this.name, node),
      ({ workflowExecutionCancelRequestedEventAttributes: asked }) => asked !== null && asked !== undefined,
    );
  }

  /** Waits until run `number` has received `signal`. */
  async untilRunTold(number: number, signal: string): Promise<void> {
    return this.untilSignalled(await this.runId(number), signal);
  }

  private untilSignalled(workflowId: string, signal: string): Promise<void> {
    return this.untilEvent(
      workflowId,
      ({ workflowExecutionSignaledEventAttributes: told }) => told?.signalName === signal,
    );
  }

  private async untilEvent(
    workflowId: string,
    wanted: (event: temporal.api.history.v1.IHistoryEvent) => boolean,
  ): Promise<void> {
    const handle = this.env.client.workflow.getHandle(workflowId);
    for (;;) {
      const { events } = await handle.fetchHistory();
      if ((events ?? []).some(wanted)) return;
      await this.moment();
    }
  }

  untilIdle(runs: number): Promise<StatusPage> {
    return this.until(
      `run ${runs} has ended`,
      (status) => status.run === null && (status.lastRun?.number ?? 0) >= runs,
    );
  }
}
