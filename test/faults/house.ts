/** What the faults of one file share: a Temporal server, a worker, and a directory with the keys of all nodes. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { freePorts } from '../../src/dev/host';
import type { TemporalServer, WorkerProcess } from '../support/local-stack';
import { startTemporalServer, startWorkerProcess } from '../support/local-stack';

export interface TemporalHouse {
  readonly address: string;
  readonly client: Client;
  /** Ends the server as a crash would. Only for a server with a database file. */
  kill9(): Promise<void>;
  /** Starts it again on the same port with the same database. */
  start(): Promise<void>;
  close(): Promise<void>;
}

export interface House {
  readonly keyDir: string;
  readonly taskQueue: string;
  server(): Promise<TemporalHouse>;
  worker(): Promise<WorkerProcess>;
  ownServer(): Promise<TemporalHouse>;
  close(): Promise<void>;
}

/** Nothing is started before it is asked for. */
export function openHouse(): House {
  const dir = mkdtempSync(path.join(tmpdir(), 'ospatch-faults-'));
  const taskQueue = 'ospatch';
  let server: Promise<TemporalHouse> | undefined;
  let worker: Promise<WorkerProcess> | undefined;
  const house: House = {
    keyDir: dir,
    taskQueue,
    server: () => (server ??= startHouse()),
    worker: () =>
      (worker ??= house.server().then(({ address }) => startWorkerProcess({ address, keyDir: dir, taskQueue }))),
    ownServer: async () => {
      const own = mkdtempSync(path.join(dir, 'server-'));
      return startHouse(path.join(own, 'temporal.db'));
    },
    close: async () => {
      const settle = <T>(one: Promise<T> | undefined): Promise<T | undefined> =>
        one === undefined ? Promise.resolve(undefined) : one.catch(() => undefined);
      await (await settle(worker))?.stop();
      await (await settle(server))?.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
  return house;
}

async function startHouse(dbFile?: string): Promise<TemporalHouse> {
  const [port = 0] = await freePorts(1);
  const options = { headless: true, port, ...(dbFile === undefined ? {} : { dbFile }) };
  let server: TemporalServer = await startTemporalServer(options);
  const { address } = server;
  const connection = Connection.lazy({ address });
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
