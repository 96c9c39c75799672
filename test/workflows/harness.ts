/**
 * A Temporal server, a real worker with the real workflows, and simulated nodes behind the activity interfaces. All code
 * except the nodes is that of ospatch.
 */
import { randomUUID } from 'node:crypto';
import { Context } from '@temporalio/activity';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { decodeArrayFromPayloads } from '@temporalio/common/lib/internal-non-workflow';
import { Client, ServiceError } from '@temporalio/client';
import type { WorkflowClientInterceptor, WorkflowHandle } from '@temporalio/client';
import type { ClientOptionsForTestEnv } from '@temporalio/testing';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import type { ActivityInterceptorsFactory, WorkerOptions } from '@temporalio/worker';
import { globalHandlers } from '@temporalio/worker/lib/workflow/vm-shared';
import { CombinedWorkerRunError, DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import type { temporal } from '@temporalio/proto';
import { createClusterActivities } from '../../src/activities/cluster';
import { createPolicyActivities } from '../../src/activities/policy';
import { PolicyFile } from '../../src/policy/policy-file';
import type { AuditRecord, ClusterActivities } from '../../src/contract/activities/cluster';
import type { KubernetesActivities } from '../../src/contract/activities/kubernetes';
import type { NotificationActivities } from '../../src/contract/activities/notification';
import type { NodeActivities } from '../../src/contract/activities/node';
import { findTemporal } from '../../src/dev/temporal-binary';
import { QUICK_SERVER_ARGS } from '../../src/dev/temporal-server';
import { ClusterClient } from '../../src/client/cluster-client';
import { clusterWorkflowId, nodeWorkflowId, runWorkflowId } from '../../src/contract/workflow-ids';
import type { ApplySpecAnswer, StatusPage } from '../../src/domain/cluster/messages';
import type { NodePatchResult } from '../../src/domain/node/patch';
import type { UnreachableNode } from '../../src/domain/node/report';
import { summarisePlan } from '../../src/domain/node/report';
import type { ErrorInfo } from '../../src/domain/shared/errors';
import type { RunInput, RunRestrictions } from '../../src/domain/run/run';
import type { ClusterSpec } from '../../src/domain/spec/types';
import { applySpecUpdate, restrictSignal, statusQuery } from '../../src/contract/messages';
import { SEARCH_ATTRIBUTES } from '../../src/contract/search-attributes';
import { WORKFLOW_TASK_TIMEOUT } from '../../src/contract/task-timeout';
import { traceSinks } from '../../src/tracing/tracing';
import { QUERY_RETRIES } from '../../src/client/query-retries';
import { acceptEmptyPayloads } from '../../src/empty-payloads';
import { dataConverter } from '../../src/encryption/data-converter';
import type { KeyRing } from '../../src/encryption/key-ring';
import { nodeRecord, patchRecord } from '../support/node-record';
import { disagreements } from '../support/run-records';
import { nodeFacts, nodeInspection, packageChange, patchPlan } from '../support/builders';
import { SimulatedKubernetes } from './simulated-kubernetes';
import { endingQuietly, timeSkippingServer } from '../support/local-stack';
import { workflowBundle } from '../support/workflow-bundle';
import type { PatchRecord } from '../../src/domain/cluster/member';

const SERVER_STARTS = 5;

/** How often is looked before a wait has failed. */
const MAX_POLLS = 3_600;
const QUERY_TRIES = 5;

const HEARTBEAT_EVERY_MS = 100;

const DAYS_PER_CALL = 30;

/** Where the clock of the time-skipping server starts: a Monday at noon, far from windows at night and clock changes. */
const CLOCK_STARTS_AT_MS = Date.parse('2030-01-07T12:00:00Z');

/** Only a failed test leaves work behind that does not end by itself. */
const SHUTDOWN_LIMIT = '60 s';

type BarrierStep = 'preflight' | 'apply' | 'reboot' | 'verify';

/** State of a simulated node, changed by tests over time. */
export interface SimulatedNode {
  pending: string[];
  /** Whether the `pending` packages require a reboot once applied. */
  requiresReboot: boolean;
  rebootRequired: boolean;
  /** Services on replaced code; a restart clears all but those in the next two, a reboot all. */
  outdated: string[];
  notRestarted: string[];
  /** Restarted, and still on replaced code. */
  stillOutdated: string[];
  /** Fails to start after its restart. */
  breaks: string | null;
  /** Nobody can log in to it. */
  isDown: boolean;
  /** When it is asked for its host key only. */
  showsTrustedKey: boolean;
  reboots: number;
  applies: number;
  osVersion: string;
  machineId: string | null;
  /** Thrown by the next preflight. */
  preflightError: ErrorInfo | null;
  /** Failures of the next downloads, in order. */
  prefetchErrors: ErrorInfo[];
  /** Number of applies that end without an exit code, as after a power cut. */
  interrupted: number;
  /** Holds the node in progress. */
  barrier: { step: BarrierStep; open: Promise<void>; isReached: boolean } | null;
  /** Step in which the node is unreachable (`preflight`: of a later attempt) until the notice; reachable after that. */
  unreachableIn: 'preflight' | 'apply' | 'reboot' | 'verify' | null;
  /** The ospatch job on the node does not end: before the first notice, or never. */
  endlessTransaction: 'until-notice' | 'forever' | null;
  /** Failure of the step, after the notice. */
  failsIn: { step: 'apply' | 'reboot'; error: ErrorInfo } | null;
  /** Details of a reboot that is cancelled at its barrier. */
  rebootRequested: 'no' | 'unknown' | 'yes';
}

/** Like the real activity: on cancellation, its progress is part of the failure. */
async function cancellable(work: Promise<void>, details: object): Promise<void> {
  try {
    await heartbeating(Promise.race([work, Context.current().cancelled]));
  } catch (error) {
    throw error instanceof CancelledFailure ? new CancelledFailure(error.message, [details]) : error;
  }
}

/** Like the real activity: without heartbeats the server would start a held one again, and tell nobody of a cancellation. */
async function heartbeating(work: Promise<void>): Promise<void> {
  const { heartbeat } = Context.current();
  const heartbeats = setInterval(() => heartbeat(), HEARTBEAT_EVERY_MS);
  try {
    await work;
  } finally {
    clearInterval(heartbeats);
  }
}

class SimulatedNodes {
  private readonly nodes = new Map<string, SimulatedNode>();
  readonly audit: AuditRecord[] = [];
  readonly order: string[] = [];
  readonly powerCycles: string[] = [];
  /** Every step in order, e.g. `apply w-1`. */
  readonly log: string[] = [];

  node(name: string): SimulatedNode {
    const known = this.nodes.get(name);
    if (known !== undefined) return known;
    const fresh: SimulatedNode = {
      pending: ['openssl'],
      requiresReboot: false,
      rebootRequired: false,
      outdated: [],
      notRestarted: [],
      stillOutdated: [],
      breaks: null,
      isDown: false,
      showsTrustedKey: false,
      reboots: 0,
      applies: 0,
      osVersion: 'Debian GNU/Linux 12.14',
      machineId: `machine-${name}`,
      preflightError: null,
      prefetchErrors: [],
      interrupted: 0,
      barrier: null,
      unreachableIn: null,
      endlessTransaction: null,
      failsIn: null,
      rebootRequested: 'yes',
    };
    this.nodes.set(name, fresh);
    return fresh;
  }

  /** Holds the node before `step` until the returned function is called. */
  hold(name: string, step: BarrierStep): () => void {
    let release = (): void => undefined;
    const open = new Promise<void>((resolve) => {
      release = resolve;
    });
    this.node(name).barrier = { step, open, isReached: false };
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
    const barrier = (name: string, step: BarrierStep): Promise<void> => {
      const { barrier: held } = this.node(name);
      if (held?.step !== step) return Promise.resolve();
      held.isReached = true;
      return held.open;
    };
    return {
      preflight: async ({ target, attempt, observedMs }) => {
        this.order.push(target.name);
        this.log.push(`preflight ${target.name}`);
        const node = this.node(target.name);
        if (node.unreachableIn !== 'preflight') await heartbeating(barrier(target.name, 'preflight'));
        else if (attempt > 1) {
          if (observedMs === undefined) throw unreachable(target.name);
          await cancellable(barrier(target.name, 'preflight'), {});
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
        if (node.unreachableIn === 'apply' && noticeAfterMs !== undefined) return unreachableNode(noticeAfterMs);
        if (node.endlessTransaction !== null && jobMs === undefined) {
          return {
            ...unreachableNode(0),
            message: `the ospatch job has not ended on ${target.name} within 6h`,
            jobMs: 1,
          };
        }
        await heartbeating(barrier(target.name, 'apply'));
        failIn('apply', node);
        if (node.endlessTransaction === 'forever') {
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
        node.rebootRequired ||= node.requiresReboot;
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
        const { breaks, notRestarted, stillOutdated } = node;
        const restarted = node.outdated.filter((name) => !notRestarted.includes(name) && name !== breaks);
        const skipped = notRestarted.map((name) => ({ name, reason: 'simulated' }));
        node.outdated = [...notRestarted, ...stillOutdated];
        const failed = breaks === null ? [] : [{ name: breaks, reason: 'it is failed', journal: [] }];
        const error = breaks === null ? null : ({ type: 'Unhealthy', message: `${breaks} did not come up` } as const);
        return Promise.resolve({ state: 'done', result: { restarted, skipped, failed, error } });
      },
      reboot: async ({ target, noticeAfterMs }) => {
        this.log.push(`reboot ${target.name}`);
        const node = this.node(target.name);
        await cancellable(barrier(target.name, 'reboot'), { rebootRequested: node.rebootRequested });
        if (node.unreachableIn === 'reboot' && noticeAfterMs !== undefined) return unreachableNode(noticeAfterMs);
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
        if (this.node(target.name).unreachableIn === 'verify') {
          if (unreachableTimeoutMs <= 30 * 60_000) throw unreachable(target.name);
          await heartbeating(barrier(target.name, 'verify'));
        }
        return facts(target.name);
      },
      inspectNode: ({ target }) => {
        const { preflightError } = this.node(target.name);
        if (preflightError === null) return Promise.resolve(nodeInspection(target.name, { facts: facts(target.name) }));
        const { type, message } = preflightError;
        throw ApplicationFailure.create({ message, type, nonRetryable: true, details: [preflightError] });
      },
      unreachableNodes: ({ targets }) =>
        Promise.resolve(targets.map(({ name }) => name).filter((name) => this.node(name).isDown)),
      probeHostKeys: ({ targets }) => {
        for (const { name } of targets) this.log.push(`probe ${name}`);
        return Promise.resolve(targets.map(({ name }) => name).filter((name) => this.node(name).showsTrustedKey));
      },
      readLog: () => Promise.resolve({ log: 'log', truncated: false }),
    };
  }

  /** Of the worker. */
  calendarDir: string | null = null;

  clusterActivities(): ClusterActivities & Pick<NotificationActivities, 'notificationDefaults'> {
    return {
      notificationDefaults: () => Promise.resolve([]),
      ...createClusterActivities({ info: () => undefined }),
      ...createPolicyActivities(new PolicyFile(null)),
      nextWindowsByFiles: (input) =>
        createClusterActivities({ info: () => undefined }, undefined, this.calendarDir).nextWindowsByFiles(input),
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

/** On a busy machine, an answer may come too late for the server. */
const STEADY_QUERIES: WorkflowClientInterceptor = {
  query: async (input, next) => {
    for (let tries = 1; ; tries += 1) {
      try {
        return await next(input);
      } catch (error) {
        if (tries === QUERY_TRIES || !(error instanceof ServiceError)) throw error;
      }
    }
  },
};

export class Harness {
  private readonly stopping = new AbortController();
  private readonly working = new Set<Promise<void>>();

  private constructor(
    readonly env: TestWorkflowEnvironment,
    private readonly bundle: { code: string },
    private readonly keys: KeyRing | null,
  ) {}

  /**
   * `time-skipping`: years in seconds. `real`: the server of production, where the other one behaves differently. `keys`:
   * encrypt payloads. `settings`: dynamic configuration of the real server.
   */
  static async start(
    server: 'time-skipping' | 'real' = 'time-skipping',
    keys: KeyRing | null = null,
    settings: Record<string, number | boolean> = {},
  ): Promise<Harness> {
    installRuntime();
    const bundle = await workflowBundle();
    const interceptors = { workflow: [STEADY_QUERIES, QUERY_RETRIES] };
    const client = { dataConverter: dataConverter(keys, 'throw'), interceptors };
    const start = () => (server === 'real' ? startRealServer(client, settings) : timeSkippingServer(client));
    const env = await startWithRetries(start);
    // What a test sees of its windows must not depend on the time of day at which the test runs.
    if (server === 'time-skipping') await env.sleep(CLOCK_STARTS_AT_MS - (await env.currentTimeMs()));
    return new Harness(env, bundle, keys);
  }

  /** Also ends the remains of a test: a worker without its server would poll for ever and keep the process alive. */
  async stop(): Promise<void> {
    this.stopping.abort(new Error('the test ended before its work'));
    await Promise.allSettled(this.working);
    // The tests have passed or failed by now; a server that does not stop cleanly proves nothing about ospatch.
    await this.env
      .teardown()
      .catch((error: unknown) => console.warn('the Temporal server did not stop cleanly:', error));
  }

  /** `host:port` of the server. */
  get address(): string {
    return this.env.connection.options.address;
  }

  /** Runs `body` while a worker without workflows polls `taskQueue`, reaching the nodes of `site`. */
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
  newCluster(name = `t-${randomUUID().slice(0, 8)}`): TestCluster {
    return new TestCluster(this.env, name, new SimulatedNodes());
  }

  /** Runs `body` with a cluster of its own, which is removed afterwards. */
  async withWorker(body: (cluster: TestCluster) => Promise<void>, activities: object = {}): Promise<void> {
    const cluster = this.newCluster();
    try {
      await this.withWorkerFor(cluster, () => body(cluster), activities);
    } finally {
      // An unanswered timer of the cluster would stop the clock of the server for all others.
      await cluster.handle.terminate().catch(() => undefined);
    }
  }

  /**
   * Runs `body` while a worker polls for this cluster, then shuts the worker down. `activities`: overrides. `options`: a
   * misconfigured worker.
   */
  async withWorkerFor(
    cluster: TestCluster,
    body: () => Promise<void>,
    activities: object = {},
    options: Pick<
      WorkerOptions,
      | 'workflowBundle'
      | 'dataConverter'
      | 'interceptors'
      | 'sinks'
      | 'enableNonLocalActivities'
      | 'workerDeploymentOptions'
      | 'maxConcurrentActivityTaskExecutions'
      | 'maxCachedWorkflows'
    > = {},
  ): Promise<void> {
    const worker = await Worker.create({
      connection: this.env.nativeConnection,
      taskQueue: cluster.name,
      workflowBundle: this.bundle,
      dataConverter: dataConverter(this.keys, 'passthrough'),
      activities: { ...cluster.activities(), ...activities },
      sinks: traceSinks(null),
      ...options,
      // Workflows in the thread of the test: a thread of their own for each of hundreds of workers takes longer than the test.
      debugMode: true,
      // Determines how soon a cancelled activity notices.
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
    } catch (error) {
      // A failed test often leaves its worker with work that does not end; what counts is why the test failed.
      throw error instanceof CombinedWorkerRunError ? error.cause.innerError : error;
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
  acceptEmptyPayloads();
  // A stack trace of every promise of the process, for a query that no test makes, is a quarter of the processor time.
  Object.assign(globalHandlers, { setPromiseHook: () => undefined });
  Runtime.install({
    logger: new DefaultLogger('ERROR'),
    telemetryOptions: { logging: { filter: { core: 'ERROR' }, forward: {} } },
  });
}

/** The SDK gives a server 5 s to start, too few on a busy machine. */
async function startWithRetries(start: () => Promise<TestWorkflowEnvironment>): Promise<TestWorkflowEnvironment> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await start();
    } catch (error) {
      if (tries === SERVER_STARTS) throw error;
    }
  }
}

async function startRealServer(
  client: ClientOptionsForTestEnv,
  settings: Record<string, number | boolean>,
): Promise<TestWorkflowEnvironment> {
  const path = await findTemporal(() => undefined);
  const searchAttributes = Object.values(SEARCH_ATTRIBUTES);
  const own = Object.entries(settings).flatMap(([key, value]) => ['--dynamic-config-value', `${key}=${value}`]);
  const extraArgs = [...QUICK_SERVER_ARGS, ...own];
  const server = { extraArgs, executable: { type: 'existing-path' as const, path }, searchAttributes };
  return endingQuietly(await TestWorkflowEnvironment.createLocal({ server, client }));
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

  /** `taskQueue`: of the worker that runs its workflows. */
  async apply(spec: ClusterSpec, taskQueue = this.name): Promise<ApplySpecAnswer> {
    const applyId = randomUUID();
    // Two calls: the time-skipping server now and then fails both halves of an update-with-start.
    const handle = await this.env.client.workflow.start('cluster', {
      workflowId: clusterWorkflowId(this.name),
      taskQueue,
      workflowTaskTimeout: WORKFLOW_TASK_TIMEOUT,
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

  /** Undefined right after a raw start, or on a busy machine. */
  async statusIfAnswered(): Promise<StatusPage | undefined> {
    return this.status().catch((error: unknown) => {
      if (!(error instanceof ServiceError) && !String(error).includes('is being checked')) throw error;
      return undefined;
    });
  }

  /** The client of a person. */
  get client(): ClusterClient {
    const { env } = this;
    // That of a server that skips time does so while it waits for a result, whatever a test is about.
    const client = env.supportsTimeSkipping
      ? new Client({ connection: env.connection, dataConverter: dataConverter(null, 'throw') })
      : env.client;
    const session = { client, keyIds: [], address: '', namespace: 'default', deadlineMs: 15_000 };
    return ClusterClient.of({ ...session, taskQueue: this.name }, 'ann');
  }

  /** The number of workflows of run `number` in the present history of the cluster. */
  async runWorkflows(number: number): Promise<number> {
    const id = await this.runId(number);
    const { events } = await this.handle.fetchHistory();
    return (events ?? []).filter(
      ({ childWorkflowExecutionStartedEventAttributes: child }) => child?.workflowExecution?.workflowId === id,
    ).length;
  }

  /** The record of the last patch of a node. */
  record(node: string): Promise<NodePatchResult> {
    return nodeRecord(this.env.client, this.name, node);
  }

  /** The record of the last update of a node group. */
  groupRecord(group: string): Promise<PatchRecord> {
    return patchRecord(this.env.client, this.name, group);
  }

  /**
   * Lets time pass a month at a time: the server ends a connection that waits for one call for longer than 90 s, and the repeated call
   * would wait for the whole time again.
   */
  async passDays(days: number): Promise<void> {
    for (let left = days; left > 0; left -= DAYS_PER_CALL)
      await this.env.sleep(Math.min(left, DAYS_PER_CALL) * 24 * 3_600_000);
  }

  /** A second of the server's time, or 200 ms on a real server. */
  private tick(): Promise<void> {
    return this.env.sleep(this.env.supportsTimeSkipping ? '1 second' : '200 ms');
  }

  /** Advances the server's time until the status matches, at most MAX_POLLS ticks. */
  async until(what: string, wanted: (status: StatusPage) => boolean): Promise<StatusPage> {
    for (let polls = 0; polls < MAX_POLLS; polls += 1) {
      const status = await this.statusIfAnswered();
      if (status !== undefined && wanted(status)) return status;
      await this.tick();
    }
    throw new Error(`timed out waiting until ${what}: ${JSON.stringify(await this.status(), null, 1)}`);
  }

  /** Waits until the patch of `node` is in progress, and has come to the step in which the node is held. */
  untilPatching(node: string): Promise<StatusPage> {
    return this.until(`${node} is in progress`, ({ nodes }) => {
      const isPatching = nodes.some((one) => one.name === node && one.state === 'patching');
      return isPatching && this.nodes.node(node).barrier?.isReached !== false;
    });
  }

  /** Waits until the node patch of `node` has received `signal`. */
  untilNodeSignalled(node: string, signal: string): Promise<void> {
    return this.untilEvent(
      nodeWorkflowId(this.name, node),
      ({ workflowExecutionSignaledEventAttributes: received }) => received?.signalName === signal,
    );
  }

  /** Waits until the node patch of `node` is notified of its cancellation. */
  untilCancelled(node: string): Promise<void> {
    return this.untilEvent(
      nodeWorkflowId(this.name, node),
      ({ workflowExecutionCancelRequestedEventAttributes: request }) => request !== null && request !== undefined,
    );
  }

  /**
   * Waits until the newest workflow of run `number` knows of such restrictions. A run that hands over to its next workflow
   * hears of them in the signal or at the start, whichever comes first.
   */
  async untilRunKnows(number: number, wanted: (restrictions: RunRestrictions) => boolean): Promise<void> {
    const { loadedDataConverter } = this.env.client.options;
    return this.untilEvent(await this.runId(number), async (event) => {
      const started = event.workflowExecutionStartedEventAttributes?.input?.payloads;
      const { signalName, input } = event.workflowExecutionSignaledEventAttributes ?? {};
      const sent = signalName === restrictSignal.name ? input?.payloads : undefined;
      const [value] = await decodeArrayFromPayloads(loadedDataConverter, started ?? sent ?? []);
      const restrictions = (started ? (value as RunInput).restrictions : value) as RunRestrictions | undefined;
      return restrictions !== undefined && wanted(restrictions);
    });
  }

  untilRunKnowsOfPause(number: number): Promise<void> {
    return this.untilRunKnows(number, ({ paused }) => paused === true);
  }

  private async untilEvent(
    workflowId: string,
    wanted: (event: temporal.api.history.v1.IHistoryEvent) => boolean | Promise<boolean>,
  ): Promise<void> {
    for (let polls = 0; polls < MAX_POLLS; polls += 1) {
      const { events } = await this.env.client.workflow.getHandle(workflowId).fetchHistory();
      for (const event of events ?? []) if (await wanted(event)) return;
      await this.tick();
    }
    throw new Error(`timed out waiting for an event of ${workflowId}`);
  }

  /** However the run ends, what is said of it as a whole is what is said of its nodes. */
  async untilIdle(runs: number): Promise<StatusPage> {
    const status = await this.until(
      `run ${runs} has ended`,
      (one) => one.run === null && (one.lastRun?.number ?? 0) >= runs,
    );
    const wrong = await disagreements(this, status.lastRun?.number ?? runs);
    if (wrong.length > 0) throw new Error(`run ${runs}: ${wrong.join('; ')}`);
    return status;
  }
}
