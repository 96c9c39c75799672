/** A real Temporal server, real nodes and a worker process, driven by the built `ospatch`. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ClusterClient } from '../../src/client/cluster-client';
import type { LiveStatus } from '../../src/client/live-status';
import { runProgram } from '../../src/dev/host';
import { defined } from '../../src/domain/shared/defined';
import type { ReplayVerdict } from '../../src/replay';
import { findTemporal } from '../../src/dev/temporal-binary';
import type { CommandResult } from '../../src/dev/host';
import { type Lab, type LabNodeOptions, type TemporalServer, type WorkerProcess } from '../support/local-stack';
import { createLab, startTemporalServer, startWorkerProcess } from '../support/local-stack';
import type { CliResult } from '../support/run-cli';
import { runCli } from '../support/run-cli';
import { specText } from '../support/spec-text';
import { RUN_TIMEOUT_MS, runEnded } from '../support/run-ended';

const HISTORIES_DIR = '.test-results/histories';
/** A history that does not replay stops its workflow for good as soon as another worker takes the workflow. */
const REPLAY_ALL = ['replay', '--ended', '-o', 'json'];

/** Machines that a worker can reach: a lab of nodes, or an emulated machine. */
interface Machines {
  nodes: { name: string; host: string; port: number }[];
  keyDir: string;
  keyName: string;
  /** A directory with the lifetime of the machines. */
  dir: string;
  stop(): Promise<void>;
}

/** ospatch with a server and a worker, connected to machines. */
export interface Product {
  server: TemporalServer;
  worker: WorkerProcess;
  /** Directory of keys, of a test that encrypts what Temporal stores. */
  encryptionKeys?: string;
  /** Runs `ospatch` in the directory of the specs. */
  cli(...args: string[]): Promise<CliResult>;
  /** Runs the `temporal` CLI. */
  temporal(...args: string[]): Promise<CommandResult>;
  /** Writes a spec file of the machines; `patching` is YAML flow text. Returns its name. */
  writeSpec(options: SpecOptions): string;
  status(cluster: string): Promise<LiveStatus>;
  /** Waits until run `number` has ended. */
  runEnded(cluster: string, number: number, timeoutMs?: number): Promise<LiveStatus>;
  startWorker(): Promise<void>;
  stop(): Promise<void>;
}

export interface Stack extends Product {
  lab: Lab;
  /** Package transactions since the creation of the node, from its own apt log. */
  transactions(node: string): number;
}

interface SpecOptions {
  name: string;
  patching: string;
  /** Default: all nodes of the lab. */
  nodes?: string[];
  user?: string;
  /** File in the key directory. Default: the key of the lab. */
  identity?: string;
  /** More fields of the cluster's `ssh`, as YAML flow text without braces. */
  ssh?: string;
  /** The section `kubernetes`, as YAML flow text. */
  kubernetes?: string;
  /** Node names in Kubernetes that differ from the spec. */
  names?: Record<string, string>;
}

/** `workerEnv` extends the environment of the worker. */
export async function startStack(nodes: LabNodeOptions[], workerEnv: Record<string, string> = {}): Promise<Stack> {
  const [server, lab] = await Promise.all([startTemporalServer(), createLab({ nodes })]);
  // The image build has transactions of its own.
  const before = new Map(lab.nodes.map((node) => [node.name, countTransactions(lab, node.name)]));
  const product = await startProduct(server, lab, { workerEnv });
  return Object.assign(product, {
    lab,
    transactions: (node: string) => countTransactions(lab, node) - (before.get(node) ?? 0),
  });
}

interface ProductOptions {
  workerEnv?: Record<string, string>;
  /** Limit of one command; default that of a run of lab nodes. */
  timeoutMs?: number;
}

export async function startProduct(
  server: TemporalServer,
  machines: Machines,
  { workerEnv = {}, timeoutMs = RUN_TIMEOUT_MS }: ProductOptions = {},
): Promise<Product> {
  const dir = path.join(machines.dir, 'specs');
  mkdirSync(dir);
  const env = { TEMPORAL_ADDRESS: server.address, TZ: 'UTC' };
  const start = (): Promise<WorkerProcess> =>
    startWorkerProcess({ address: server.address, keyDir: machines.keyDir, env: workerEnv });
  const client = await ClusterClient.connect({ address: server.address, deadlineMs: 60_000 });
  const binary = await findTemporal(() => undefined);
  const product: Product = {
    server,
    worker: await start(),
    cli: (...args) => runCli(args, { env, cwd: dir, timeoutMs }),
    temporal: (...args) => runProgram(binary, [...args, '--address', server.address]),
    writeSpec: (options) => {
      const file = `${options.name}.yaml`;
      const wanted = options.nodes ?? machines.nodes.map((node) => node.name);
      const nodes = machines.nodes.filter((node) => wanted.includes(node.name));
      writeFileSync(path.join(dir, file), specText({ identity: machines.keyName, ...options, nodes }));
      return file;
    },
    status: (cluster) => client.status(cluster),
    runEnded: (...args) => runEnded(client, ...args),
    startWorker: async () => {
      product.worker = await start();
    },
    stop: async () => {
      await client.close();
      await product.worker.stop();
      try {
        const { encryptionKeys: OSPATCH_ENCRYPTION_KEYS } = product;
        const replayEnv = { ...env, ...defined({ OSPATCH_ENCRYPTION_KEYS }) };
        const { code, stdout, stderr } = await runCli(REPLAY_ALL, { env: replayEnv, cwd: dir, timeoutMs });
        if (code !== 0) throw await keptHistories(product, stdout, stderr);
      } finally {
        await Promise.all([machines.stop(), server.stop()]);
      }
    },
  };
  return product;
}

/** Keeps the histories that do not replay, according to the output of `ospatch replay`. */
async function keptHistories({ temporal }: Product, stdout: string, stderr: string): Promise<Error> {
  const verdicts = stdout === '' ? [] : (JSON.parse(stdout) as ReplayVerdict[]);
  mkdirSync(HISTORIES_DIR, { recursive: true });
  for (const { name, failure } of verdicts) {
    if (failure === null) continue;
    const file = path.join(HISTORIES_DIR, `${name.replaceAll('/', '-')}.json`);
    writeFileSync(file, (await temporal('workflow', 'show', '-w', name, '-o', 'json')).stdout);
  }
  return new Error(`histories do not replay, and are in ${HISTORIES_DIR}: ${stderr}${stdout}`);
}

/** Package transactions in the node's own apt log. */
function countTransactions(lab: Lab, node: string): number {
  const { rootDir } = lab.node(node);
  const file = path.join(rootDir, 'var/log/apt/history.log');
  const log = existsSync(file) ? readFileSync(file, 'utf8') : '';
  return log.split('\n').filter((line) => line.startsWith('Commandline:') && line.includes('dist-upgrade')).length;
}
