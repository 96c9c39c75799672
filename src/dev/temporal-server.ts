/** A Temporal development server for `ospatch dev`, the demo and the tests. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';

import { Connection } from '@temporalio/client';

import { CALL_RETRIES } from '../call-retries';
import { SEARCH_ATTRIBUTE_TYPES } from '../domain/shared/search-attributes';
import type { Log } from './host';
import { sleep } from './host';
import { freePorts } from './ports';
import { endWithThisProcess } from './reaper';
import { findTemporal } from './temporal-binary';
import type { UiProxy } from './ui-proxy';
import { hiddenUiAddress, startUiProxy } from './ui-proxy';

const READY_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 10_000;
const KEPT_OUTPUT_LINES = 40;

/**
 * By default a server polls each queue of a shard 20 times a second. Production servers have hundreds of shards; this
 * server has one, so every step of a busy workflow would wait up to 50 ms for the next poll.
 */
const QUEUE_READS_PER_SECOND = 1_000;

/** Arguments of `temporal server start-dev` for a server that keeps up with a busy worker. */
export const QUICK_SERVER_ARGS: readonly string[] = ['transfer', 'timer', 'visibility'].flatMap((queue) => [
  '--dynamic-config-value',
  `history.${queue}ProcessorMaxPollRPS=${QUEUE_READS_PER_SECOND}`,
]);

/**
 * Nothing here uses the HTTP API, and every web page could: it takes a request without a preflight (`text/plain`) of any
 * origin, and starts a workflow. With a name that nobody has as the only allowed host it refuses all.
 */
const NO_HTTP_API = ['--dynamic-config-value', 'frontend.httpAllowedHosts=["none.invalid"]'];

export interface TemporalServerOptions {
  /** SQLite file that persists the data; default in memory. */
  dbFile?: string;
  /** Port of the server on 127.0.0.1; default a free one. */
  port?: number;
  /** Port of the web UI; default a free one. */
  uiPort?: number;
  /** No web UI; default false. */
  headless?: boolean;
  log?: Log;
}

export interface TemporalServer {
  address: string;
  /** Undefined without a UI, or for an external server. */
  uiUrl: string | undefined;
  /** Undefined for an external server. */
  pid: number | undefined;
  /** Shuts the server down. */
  stop(): Promise<void>;
  /** Kills the server, like a crash. */
  kill9(): Promise<void>;
}

/** Starts a server and waits until it answers. The server ends with this process at the latest. */
export async function startTemporalServer(options: TemporalServerOptions = {}): Promise<TemporalServer> {
  const binary = await findTemporal(options.log ?? (() => undefined));
  const [freePort = 0, freeUiPort = 0, httpPort = 0, metricsPort = 0, hiddenPort = 0] = await freePorts(5);
  const port = options.port ?? freePort;
  const uiPort = options.uiPort ?? freeUiPort;
  const ui = options.headless === true ? null : { host: hiddenUiAddress(), port: hiddenPort };
  const args = [
    ...['server', 'start-dev', '--ip', '127.0.0.1', '--port', String(port), '--http-port', String(httpPort)],
    ...['--metrics-port', String(metricsPort), '--namespace', 'default', '--log-level', 'error'],
    ...(ui === null ? ['--headless'] : ['--ui-ip', ui.host, '--ui-port', String(ui.port)]),
    ...NO_HTTP_API,
    ...(options.dbFile === undefined ? [] : ['--db-filename', options.dbFile]),
    ...QUICK_SERVER_ARGS,
    ...Object.entries(SEARCH_ATTRIBUTE_TYPES).flatMap(([name, type]) => ['--search-attribute', `${name}=${type}`]),
  ];
  // Ctrl-C is handled by the owner of the server, which first stops the server's clients.
  // It ends at once where nothing names its user: in a container, and for a user id without an account.
  const env = { USER: 'ospatch', ...process.env };
  const server = spawn(binary, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'], env });
  const ended = once(server, 'exit').then(() => undefined);
  const output: string[] = [];
  for (const stream of [server.stdout, server.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output.push(...chunk.toString().split('\n').filter(Boolean));
      output.splice(0, output.length - KEPT_OUTPUT_LINES);
    });
  }
  const callOff = endWithThisProcess(server.pid ?? 0, 'start-dev');
  let proxy: UiProxy | null = null;
  const end = async (signal: 'SIGTERM' | 'SIGKILL') => {
    if (server.exitCode !== null || server.signalCode !== null) return;
    server.kill(signal);
    const timer = setTimeout(() => server.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await ended;
    clearTimeout(timer);
    callOff();
    proxy?.stop();
  };

  const address = `127.0.0.1:${port}`;
  const died = ended.then(() => {
    throw new Error(`the Temporal server ended at once:\n${output.join('\n')}`);
  });
  died.catch(() => undefined);
  try {
    if (ui !== null) proxy = await startUiProxy(uiPort, ui);
    await Promise.race([untilReady(address), died]);
  } catch (error) {
    await end('SIGKILL');
    throw error;
  }
  return {
    address,
    uiUrl: options.headless === true ? undefined : `http://127.0.0.1:${uiPort}`,
    pid: server.pid,
    stop: () => end('SIGTERM'),
    kill9: () => end('SIGKILL'),
  };
}

async function untilReady(address: string): Promise<void> {
  const deadline = Date.now() + READY_TIMEOUT_MS;
  for (;;) {
    try {
      const connection = await Connection.connect({ address, connectTimeout: 1_000, interceptors: [...CALL_RETRIES] });
      try {
        await connection.workflowService.describeNamespace({ namespace: 'default' });
        return;
      } finally {
        await connection.close();
      }
    } catch (error) {
      if (Date.now() > deadline) throw new Error(`the Temporal server at ${address} does not answer`, { cause: error });
      await sleep(100);
    }
  }
}
