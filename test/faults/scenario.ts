/** The scenario of one fault: its own node, a cluster of that node, and the parts that can be made to fail. */
import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Client } from '@temporalio/client';
import { ClusterClient } from '../../src/client/cluster-client';
import { loadSpecs } from '../../src/client/load/spec';
import type { LiveStatus } from '../../src/client/live-status';
import type { Lab, LabNode, LabNodeOptions, WorkerProcess } from '../support/local-stack';
import { createLab } from '../support/local-stack';
import type { CliResult } from '../support/run-cli';
import { runCli } from '../support/run-cli';
import { findRun } from '../support/find-run';
import { runEnded } from '../support/run-ended';
import { specText } from '../support/spec-text';
import { waitFor } from '../support/wait-for';
import { DEFAULT_NODE, prepareNode } from './fault-node';
import type { Environment, TemporalEnvironment } from './environment';
import { KUBE_NODE, makeKubernetesScenario } from './kubernetes-scenario';
import type { KubernetesScenario } from './kubernetes-scenario';
import type { Moment } from './injection-points';
import { reach } from './injection-points';
import type { Random } from './random';
import { dpkgLog, jobLogs } from './node-view';
import { randomFor } from './random';
import type { Relay } from './relay';
import { startRelay } from './relay';
import { defined } from '../../src/domain/shared/defined';

const RUN_TIMEOUT_MS = 540_000;

export const NODE = 'w-1';

export interface ScenarioOptions {
  /**
   * Default: updates of two lab packages, one that requires a reboot and one whose installation takes
   * 10 s, with the lab as the only source of packages.
   */
  node?: Omit<LabNodeOptions, 'name'>;
  /** Spec section `patching` as YAML flow text; default `{rebootIfRequired: true}`. */
  patching?: string;
  /** Login of the spec; default ospatch. */
  user?: string;
  /** A separate worker, which may be killed; by default one shared by all faults of the file. */
  ownWorker?: true;
  /** A separate Temporal server with a database file, which may be killed, and a separate worker. */
  ownServer?: true;
  /** The spec names a relay, which can disturb the network. */
  relay?: true;
  /** The node belongs to a real control plane: that of the file, or a separate one, whose API server may be killed. */
  kubernetes?: 'shared' | 'own';
  /** Additional seconds of `apt-get update` on the node; default 0. */
  slowRefreshSeconds?: number;
}

export interface Scenario {
  readonly cluster: string;
  readonly node: LabNode;
  readonly lab: Lab;
  readonly random: Random;
  readonly temporal: TemporalEnvironment;
  readonly client: Client;
  /** The running worker; after `kill9` or `stop`, call `startWorker`. */
  worker: WorkerProcess;
  /** Only with the option `relay`. */
  readonly relay: Relay;
  /** Only with the option `kubernetes`. */
  readonly kubernetes: KubernetesScenario;
  readonly isOfKubernetes: boolean;
  /** Moment of the fault, for the summary. */
  moment: string;
  /** Name of the spec file; `cli` runs in its directory. */
  readonly specFile: string;
  startWorker(): Promise<WorkerProcess>;
  cli(...args: string[]): Promise<CliResult>;
  /** Writes `known_hosts` and a spec file of the node; returns its name. */
  writeSpec(options?: { name?: string; patching?: string; user?: string }): string;
  /** Applies the cluster and requests a patch; returns when the run was accepted. */
  patch(): Promise<void>;
  /** Cancels the run in progress. */
  cancel(): Promise<void>;
  /** Waits for the node patch and records its start for the summary. */
  reach(moment: Moment): Promise<void>;
  status(): Promise<LiveStatus>;
  /** Waits until run `number` (default 1) has ended. */
  ended(number?: number): Promise<LiveStatus>;
  /** Report for a failed fault. */
  report(): Promise<string>;
  close(): Promise<void>;
}

let made = 0;

export async function makeScenario(
  environment: Environment,
  title: string,
  options: ScenarioOptions,
): Promise<Scenario> {
  made += 1;
  const cluster = `fault-${made}`;
  const nodeOptions = options.node ?? (options.kubernetes === undefined ? DEFAULT_NODE : KUBE_NODE);
  const [temporal, lab] = await Promise.all([
    options.ownServer === true ? environment.ownServer() : environment.server(),
    createLab({ nodes: [{ name: NODE, ...nodeOptions }] }),
  ]);
  const node = lab.node(NODE);
  const identity = `${path.basename(lab.dir)}-key`;
  const key = path.join(environment.keyDir, identity);
  copyFileSync(path.join(lab.keyDir, lab.keyName), key);
  chmodSync(key, 0o600);
  await prepareNode(node, { slowRefreshSeconds: options.slowRefreshSeconds ?? 0 });
  const relay = options.relay === true ? await startRelay(node.port) : undefined;
  const bootsBefore = node.bootCount;
  const kubernetes =
    options.kubernetes === undefined
      ? undefined
      : await makeKubernetesScenario(environment, cluster, node, { ownPlane: options.kubernetes === 'own' });

  const own = options.ownWorker === true || options.ownServer === true;
  const taskQueue = own ? cluster : environment.taskQueue;
  const dir = path.join(lab.dir, 'specs');
  mkdirSync(dir);
  const random = randomFor(title);
  const ownWorkers: WorkerProcess[] = [];
  const start = async (): Promise<WorkerProcess> => {
    const worker = await environment.startWorker({ address: temporal.address, taskQueue });
    ownWorkers.push(worker);
    return worker;
  };

  const api = await ClusterClient.connect({ address: temporal.address, taskQueue, deadlineMs: 60_000 });
  const scenario: Scenario = {
    cluster,
    node,
    lab,
    random,
    temporal,
    client: temporal.client,
    worker: own ? await start() : await environment.worker(),
    moment: '',
    isOfKubernetes: kubernetes !== undefined,
    get kubernetes() {
      if (kubernetes === undefined) throw new Error('the node of this scenario is not one of Kubernetes');
      return kubernetes;
    },
    get relay() {
      if (relay === undefined) throw new Error('this scenario has no relay');
      return relay;
    },
    specFile: `${cluster}.yaml`,
    startWorker: async () => {
      if (!own) throw new Error('the shared worker is not for killing: set ownWorker');
      scenario.worker = await start();
      return scenario.worker;
    },
    cli: (...args) =>
      runCli(args, {
        env: { TEMPORAL_ADDRESS: temporal.address, OSPATCH_TASK_QUEUE: taskQueue, TZ: 'UTC' },
        cwd: dir,
        timeoutMs: RUN_TIMEOUT_MS,
      }),
    writeSpec: ({ name = cluster, patching = options.patching, user = options.user } = {}) => {
      const port = relay?.port ?? node.port;
      writeFileSync(path.join(dir, 'known_hosts'), `[${node.host}]:${port} ${node.hostKey}\n`);
      const text = specText({
        name,
        patching: patching ?? '{rebootIfRequired: true}',
        ...defined({ user }),
        identity,
        ...defined({
          kubernetes: kubernetes === undefined ? undefined : `{kubeconfig: ${kubernetes.kubeconfig}}`,
          names: kubernetes === undefined ? undefined : { [NODE]: kubernetes.nodeName },
        }),
        nodes: [{ name: NODE, host: node.host, port }],
      });
      writeFileSync(path.join(dir, `${name}.yaml`), text);
      return `${name}.yaml`;
    },
    patch: async () => {
      const file = path.join(dir, scenario.writeSpec());
      const { specs, problems } = await loadSpecs(file, { now: Date.now(), requireHostKeys: true });
      const [spec] = specs;
      if (spec === undefined) throw new Error(problems.map(({ message }) => message).join('\n'));
      await api.apply(spec);
      await api.patch(cluster);
    },
    cancel: async () => {
      await api.cancelRun(cluster);
    },
    reach: async (moment) => {
      scenario.moment = await reach(moment, {
        cluster,
        node,
        client: temporal.client,
        random,
        kubernetes,
        bootsBefore,
      });
    },
    status: () => api.status(cluster),
    ended: async (number = 1) => {
      const workflow = await findRun(temporal.client, cluster, number);
      // Temporal comes first: a query needs the worker, which may be unavailable for long.
      await waitFor(
        async () => {
          const description = await workflow.describe().catch(() => null);
          return description !== null && description.status.name !== 'RUNNING';
        },
        { what: `the end of run ${number} of ${cluster}`, timeoutMs: RUN_TIMEOUT_MS, pollMs: 500 },
      );
      return runEnded(api, cluster, number);
    },
    report: async () => {
      const status = await scenario.cli('status', cluster, '-o', 'json', '--timeout', '10s');
      const history = await scenario.cli('history', cluster, '--run', '1', '-o', 'json', '--timeout', '10s');
      const inside = await node.exec('ps axf; ss -tn; journalctl -n 100 --no-pager');
      const workers = own ? ownWorkers : [scenario.worker];
      return [
        `node: ${node.running ? 'on' : 'off'}, ${node.bootCount} boots, ssh ended with ${inside.code} ${inside.stderr}`,
        status.stdout + status.stderr,
        history.stdout + history.stderr,
        await kubernetes?.report().catch((why: unknown) => `no report of Kubernetes: ${String(why)}`),
        ...workers.map((worker) => `==> worker ${worker.pid} <==\n${worker.logs().slice(-20_000)}`),
        ...jobLogs(node),
        '==> dpkg.log <==',
        dpkgLog(node).slice(-5_000),
        '==> inside <==',
        inside.stdout,
        '==> console <==',
        node.consoleTail(60),
      ].join('\n');
    },
    close: async () => {
      await api.close();
      await Promise.all(ownWorkers.map((worker) => worker.kill9()));
      await relay?.close();
      await kubernetes?.close();
      await lab.stop();
      if (options.ownServer === true) await temporal.close();
    },
  };
  return scenario;
}
