/** `/metrics`, `/healthz` and `/readyz` over HTTP. */
import { createServer } from 'node:http';
import type { Server, ServerResponse } from 'node:http';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { defined } from '../domain/shared/defined';
import { OspatchError } from '../domain/shared/errors';
import { plainText } from '../domain/shared/text';
import { CONTENT_TYPE } from './exposition';
import { acceptsGzip, gzipped } from './gzip';

export interface ListenAddress {
  /** Null: all of this machine. */
  host: string | null;
  port: number;
}

export interface Endpoints {
  /** The page of metrics, in pieces that nobody changes afterwards. */
  metrics: () => readonly Buffer[] | Promise<readonly Buffer[]>;
  /** Why the process cannot do its work now, in one clause; null: it can. */
  notReady: () => string | null | Promise<string | null>;
}

/** Scrapers keep connections; whatever asks slowly does not keep one for ever. */
const REQUEST_WITHIN_MS = 10_000;
/** Longer than scrapes are usually apart. */
const KEEP_ALIVE_MS = 75_000;
const MAX_HEADER_BYTES = 8 * 1024;
const MAX_CONNECTIONS = 100;

const FORMAT = ':9464, 127.0.0.1:9464 or [::1]:9464';

/** Reads `host:port` or `:port`. @throws OspatchError `Usage`; `setting`: where the text is from */
export function parseListenAddress(text: string, setting: string): ListenAddress {
  const [, bracketed, plain, port] = /^(?:\[([0-9A-Fa-f:.%\w]+)\]|([^:[\]\s/]*)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined || Number(port) > 65_535) {
    throw new OspatchError({
      type: 'Usage',
      message: `${setting}: found ${JSON.stringify(plainText(text, 100))}; allowed: an address and a port, e.g. ${FORMAT}`,
    });
  }
  return { host: host === '' ? null : host, port: Number(port) };
}

/** Listens and answers until `close`. @throws OspatchError `Usage` when it cannot listen there, `Busy` when it cannot do so now */
export async function serveEndpoints(
  { host, port }: ListenAddress,
  endpoints: Endpoints,
  setting: string,
): Promise<{ url: string; close(): Promise<void> }> {
  const server = createServer(
    { maxHeaderSize: MAX_HEADER_BYTES, requestTimeout: REQUEST_WITHIN_MS },
    (request, answer) => {
      const [path] = (request.url ?? '').split('?', 1);
      const { method = '', headers } = request;
      const asked = { method, path: path ?? '', gzip: acceptsGzip(headers['accept-encoding']) };
      void respond(endpoints, asked, answer).catch(() => answer.destroy());
    },
  );
  server.maxConnections = MAX_CONNECTIONS;
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.listen({ port, ...defined({ host: host ?? undefined }) });
  await once(server, 'listening').catch((cause: unknown) => {
    const { code = '', message = '' } = cause as { code?: string; message?: string };
    const why = WHY[code] ?? plainText(message, 200);
    const place = shown(host, port);
    throw PASSING.includes(code)
      ? new OspatchError(
          {
            type: 'Busy',
            message: `${setting}: cannot listen on ${place}: ${why}`,
            remedy: 'name another address or port, or end the process that has it',
          },
          { cause },
        )
      : new OspatchError(
          {
            type: 'Usage',
            message: `${setting}: cannot listen on ${place}: ${why}`,
            remedy: 'name an address and a port of this machine, above 1023 for users other than root',
          },
          { cause },
        );
  });
  return { url: `http://${shown(host ?? 'localhost', portOf(server))}`, close: () => close(server) };
}

/** Over when the other process has ended, or the network of the machine is up: a service manager tries again. */
const PASSING: readonly string[] = ['EADDRINUSE', 'EADDRNOTAVAIL', 'EAI_AGAIN'];

const WHY: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process listens there',
  EACCES: 'this user may not listen on that port',
  EADDRNOTAVAIL: 'this machine does not have that address',
  ENOTFOUND: 'there is no such host',
  EAI_AGAIN: 'the name of the host cannot be looked up',
};

interface Asked {
  method: string;
  path: string;
  /** Whether the answer may be compressed. */
  gzip: boolean;
}

async function respond(endpoints: Endpoints, { method, path, gzip }: Asked, answer: ServerResponse): Promise<void> {
  if (method !== 'GET' && method !== 'HEAD') return text(answer, 405, 'only GET is answered here', method);
  switch (path) {
    case '/metrics': {
      const plain = await Promise.resolve(endpoints.metrics()).catch(() => null);
      if (plain === null) return text(answer, 503, 'the metrics cannot be read now', method);
      const pieces = gzip ? await gzipped(plain) : plain;
      const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
      const encoding = defined({ 'content-encoding': gzip ? 'gzip' : undefined });
      const headers = { 'content-type': CONTENT_TYPE, 'content-length': length, vary: 'accept-encoding' };
      answer.writeHead(200, { ...headers, ...encoding });
      if (method === 'HEAD') return void answer.end();
      // A scraper that has given up is no error of anybody here.
      await pipeline(Readable.from(pieces, { objectMode: true }), answer).catch(() => undefined);
      return;
    }
    case '/healthz':
      return text(answer, 200, 'ok', method);
    case '/readyz': {
      const why = await endpoints.notReady();
      return text(answer, why === null ? 200 : 503, why ?? 'ok', method);
    }
    default:
      return text(answer, 404, 'there are /metrics, /healthz and /readyz', method);
  }
}

function text(answer: ServerResponse, status: number, body: string, method: string): void {
  answer.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' });
  answer.end(method === 'HEAD' ? undefined : `${body}\n`);
}

function shown(host: string | null, port: number): string {
  if (host === null) return `port ${port}`;
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

async function close(server: Server): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
}
