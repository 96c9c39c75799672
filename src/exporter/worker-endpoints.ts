/**
 * The endpoints of a worker. Temporal's SDK serves its own metrics on a port of its own, and nothing else, so it gets one of this
 * machine only, and its page is part of the page of the worker.
 */
import { createServer, get } from 'node:http';
import { once } from 'node:events';
import { packageVersion } from '../version';
import type { Endpoints, ListenAddress } from './endpoints';
import { serveEndpoints } from './endpoints';
import { header, labels, sample } from './exposition';

const BUILD = { name: 'ospatch_build_info', type: 'gauge', help: 'Version of this process; always 1.' } as const;
const SDK_WITHIN_MS = 5_000;

export interface WorkerEndpoints {
  /** Where the SDK has to serve its metrics. */
  sdkAddress: string;
  url: string;
  close(): Promise<void>;
}

/** @throws OspatchError `Usage` when it cannot listen there */
export async function serveWorker(
  listen: ListenAddress,
  setting: string,
  notReady: Endpoints['notReady'],
): Promise<WorkerEndpoints> {
  const port = await freePort();
  const metrics = async (): Promise<Buffer[]> => {
    const own = header(BUILD) + sample(BUILD.name, labels('version', packageVersion()), 1);
    return [Buffer.from(own), await sdkPage(port)];
  };
  const { url, close } = await serveEndpoints(listen, { metrics, notReady }, setting);
  return { sdkAddress: `127.0.0.1:${port}`, url, close };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (typeof address !== 'object' || address === null) throw new Error('no port of this machine is free');
  return address.port;
}

function sdkPage(port: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const request = get({ host: '127.0.0.1', port, path: '/metrics', timeout: SDK_WITHIN_MS }, (answer) => {
      // Nobody keeps the port free until the SDK has taken it.
      if (answer.statusCode !== 200) {
        request.destroy(new Error('the metrics of the SDK are not what answers'));
        return;
      }
      const pieces: Buffer[] = [];
      answer.on('data', (piece: Buffer) => pieces.push(piece));
      answer.on('error', reject);
      answer.on('end', () => resolve(Buffer.concat(pieces)));
    });
    request.on('timeout', () => request.destroy(new Error('the metrics of the SDK do not come')));
    request.on('error', reject);
  });
}
