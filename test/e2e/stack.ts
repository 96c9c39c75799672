/** A real Temporal server, real nodes and a worker process, used through the built `ospatch` as a user would. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ClusterClient } from '../../src/client/cluster-client';
import type { LiveStatus } from '../../src/client/live-status';
import { run } from '../../src/dev/host';
import { findTemporal } from '../../src/dev/temporal-binary';
import type { CommandResult } from '../../src/dev/host';
import { type Lab, type LabNodeOptions, type TemporalServer, type WorkerProcess } from '../support/local-stack';
import { createLab, startTemporalServer, startWorkerProcess } from '../support/local-stack';
import type { CliResult } from '../support/run-cli';
import { runCli } from '../support/run-cli';
import { specText } from '../support/spec-text';
import { RUN_TIMEOUT_MS, runEnded } from '../support/run-ended';

export interface Stack {
  server: TemporalServer;
  lab: Lab;
  worker: WorkerProcess;
  /** Runs `ospatch` in the directory of the specs. */
  cli(...args: string[]): Promise<CliResult>;
  /** Runs the `temporal` CLI. */
  temporal(...args: string[]): Promise<CommandResult>;
  /** Writes a spec file of the lab's nodes; `patching` is YAML flow text. Returns its name. */
  writeSpec(options: SpecOptions): string;
  status(cluster: string): Promise<LiveStatus>;
  /** Waits until run `number` has ended. */
  runEnded(cluster: string, number: number, timeoutMs?: number): Promise<LiveStatus>;
  startWorker(): Promise<void>;
  /** Package transactions since the node was made, from its own apt log. */
  transactions(node: string): number;
  stop(): Promise<void>;
}

export interface SpecOptions {
  name: string;
  patching: string;
  /** Default: all nodes of the lab. */
  nodes?: string[];
  user?: string;
  /** More of the cluster's `ssh`, as YAML flow text without braces. */
  ssh?: string;
  /** The section `kubernetes`, as YAML flow text. */
  kubernetes?: string;
  /** Names of nodes in Kubernetes that are not their own. */
  names?: Record<string, string>;
}

/** `workerEnv` is added to the environment of the worker. */
export async function startStack(nodes: LabNodeOptions[], workerEnv: Record<string, string> = {}): Promise<Stack> {
  const [server, lab] = await Promise.all([startTemporalServer(), createLab({ nodes })]);
  const dir = path.join(lab.dir, 'specs');
  mkdirSync(dir);
  const env = { TEMPORAL_ADDRESS: server.address, TZ: 'UTC' };
  const start = (): Promise<WorkerProcess> =>
    startWorkerProcess({ address: server.address, keyDir: lab.keyDir, env: workerEnv });
  // Building the images has left transactions of its own.
  const before = new Map(lab.nodes.map((node) => [node.name, countTransactions(lab, node.name)]));
  const client = await ClusterClient.connect({ address: server.address, deadlineMs: 60_000 });
  const binary = await findTemporal(() => undefined);
  const stack: Stack = {
    server,
    lab,
    worker: await start(),
    cli: (...args) => runCli(args, { env, cwd: dir, timeoutMs: RUN_TIMEOUT_MS }),
    temporal: (...args) => run(binary, [...args, '--address', server.address]),
    writeSpec: (options) => {
      const file = `${options.name}.yaml`;
      const nodes = (options.nodes ?? lab.nodes.map((node) => node.name)).map((name) => lab.node(name));
      writeFileSync(path.join(dir, file), specText({ ...options, nodes, identity: lab.keyName }));
      return file;
    },
    status: (cluster) => client.status(cluster),
    runEnded: (...args) => runEnded(client, ...args),
    transactions: (node) => countTransactions(lab, node) - (before.get(node) ?? 0),
    startWorker: async () => {
      stack.worker = await start();
    },
    stop: async () => {
      await client.close();
      await stack.worker.stop();
      await Promise.all([lab.stop(), server.stop()]);
    },
  };
  return stack;
}

/** Package transactions in the node's own apt log. */
function countTransactions(lab: Lab, node: string): number {
  const log = lab.node(node).readFile('/var/log/apt/history.log');
  return log.split('\n').filter((line) => line.startsWith('Commandline:') && line.includes('dist-upgrade')).length;
}
