/**
 * A proxy before the web UI of the development server, which checks no Host header: a web page whose name an attacker
 * has made to resolve to 127.0.0.1 (DNS rebinding) would be of the same origin as the UI, and may start workflows.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { randomInt } from 'node:crypto';

const HOSTS = ['127.0.0.1', 'localhost', '[::1]'];

/** Of an upstream that is not reached or ends in the middle. */
const BAD_GATEWAY = 502;

export interface UiProxy {
  stop(): void;
}

/**
 * An address for the UI itself: on Linux one of 16 million, so that a page that knows no address of the proxy cannot try
 * them all.
 */
export function hiddenUiAddress(platform: NodeJS.Platform = process.platform): string {
  if (platform !== 'linux') return '127.0.0.1';
  return `127.${randomInt(1, 255)}.${randomInt(0, 256)}.${randomInt(1, 255)}`;
}

/** Listens on 127.0.0.1:`port`, and forwards what a browser asks of this address to the UI at `upstream`. */
export async function startUiProxy(port: number, upstream: { host: string; port: number }): Promise<UiProxy> {
  const server = createServer((asked, answer) => {
    const why = refusalOf(asked, (server.address() as AddressInfo).port);
    if (why === null) forward(asked, answer, upstream);
    else answer.writeHead(403, { 'content-type': 'text/plain' }).end(`${why}\n`);
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  server.unref();
  return {
    stop: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** Null: the request is for this address, from a page of this address or from no page. */
function refusalOf({ headers }: IncomingMessage, port: number): string | null {
  const hosts = HOSTS.map((host) => `${host}:${port}`);
  // Browsers leave out the default port.
  if (port === 80) hosts.push(...HOSTS);
  if (!hosts.includes(headers.host?.toLowerCase() ?? '')) {
    return `This is the Temporal UI of ospatch dev; it answers at http://127.0.0.1:${port} only.`;
  }
  const { origin } = headers;
  if (origin === undefined || hosts.some((host) => origin.toLowerCase() === `http://${host}`)) return null;
  return 'The Temporal UI of ospatch dev takes no requests of other web pages.';
}

function forward(asked: IncomingMessage, answer: ServerResponse, { host, port }: { host: string; port: number }): void {
  const { method, url, headers } = asked;
  const onward = request({ host, port, method, path: url, headers }, (got) => {
    answer.writeHead(got.statusCode ?? BAD_GATEWAY, got.headers);
    got.pipe(answer);
    got.once('error', () => answer.destroy());
  });
  onward.once('error', () => {
    if (answer.headersSent) answer.destroy();
    else answer.writeHead(BAD_GATEWAY, { 'content-type': 'text/plain' }).end('The Temporal UI does not answer.\n');
  });
  asked.once('error', () => onward.destroy());
  answer.once('close', () => onward.destroy());
  asked.pipe(onward);
}
