/** Shared by the faults of one file: a Temporal server, a worker, a control plane, and directories with all keys. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { CALL_RETRIES } from '../../src/call-retries';
import { freePorts } from '../../src/dev/ports';
import type { ControlPlane } from '../../tools/kube/control-plane';
import { startControlPlane } from '../../tools/kube/control-plane';
import type { TemporalServer, WorkerProcess } from '../support/local-stack';
import { startTemporalServer, startWorkerProcess } from '../support/local-stack';
import { defined } from '../../src/domain/shared/defined';

export interface TemporalEnvironment {
  readonly address: string;
  readonly client: Client;
  /** Kills the server like a crash. Only for a server with a database file. */
  kill9(): Promise<void>;
  /** Restarts the server on the same port with the same database. */
  start(): Promise<void>;
  close(): Promise<void>;
}

export interface Environment {
  readonly keyDir: string;
  /** Log files of all workers. */
  readonly kubeconfigDir: string;
  readonly taskQueue: string;
  server(): Promise<TemporalEnvironment>;
  worker(): Promise<WorkerProcess>;
  /** An additional worker, which ends with this process at the latest. */
  startWorker(options: { address: string; taskQueue: string }): Promise<WorkerProcess>;
  ownServer(): Promise<TemporalEnvironment>;
  plane(): Promise<ControlPlane>;
  close(): Promise<void>;
}

/** Every part starts on first use. */
export function openEnvironment(): Environment {
  const dir = mkdtempSync(path.join(tmpdir(), 'ospatch-faults-'));
  const taskQueue = 'ospatch';
  let server: Promise<TemporalEnvironment> | undefined;
  let worker: Promise<WorkerProcess> | undefined;
  let plane: Promise<ControlPlane> | undefined;
  const kubeconfigDir = path.join(dir, 'kubeconfigs');
  mkdirSync(kubeconfigDir);
  const environment: Environment = {
    keyDir: dir,
    kubeconfigDir,
    taskQueue,
    server: () => (server ??= startEnvironment()),
    worker: () =>
      (worker ??= environment.server().then(({ address }) => environment.startWorker({ address, taskQueue }))),
    startWorker: (options) =>
      startWorkerProcess({ ...options, keyDir: dir, env: { OSPATCH_KUBECONFIG_DIR: kubeconfigDir } }),
    ownServer: async () => {
      const own = mkdtempSync(path.join(dir, 'server-'));
      return startEnvironment(path.join(own, 'temporal.db'));
    },
    plane: () => (plane ??= startControlPlane()),
    close: async () => {
      const settle = <T>(one: Promise<T> | undefined): Promise<T | undefined> =>
        one === undefined ? Promise.resolve(undefined) : one.catch(() => undefined);
      await (await settle(worker))?.stop();
      await (await settle(server))?.close();
      await (await settle(plane))?.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
  return environment;
}

async function startEnvironment(dbFile?: string): Promise<TemporalEnvironment> {
  const [port = 0] = await freePorts(1);
  const options = { headless: true, port, ...defined({ dbFile }) };
  let server: TemporalServer = await startTemporalServer(options);
  const { address } = server;
  const connection = Connection.lazy({ address, interceptors: [...CALL_RETRIES] });
  return {
    address,
    client: new Client({ connection }),
    kill9: () => server.kill9(),
    start: async () => {
      server = await startTemporalServer(options);
    },
    close: async () => {
      await connection.close();
      await server.stop();
    },
  };
}
