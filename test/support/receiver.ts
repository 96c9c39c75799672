/** A receiver of webhooks, and the targets, secret and program with which an administrator has workers tell it. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export interface Received {
  signature: string;
  body: string;
}

export interface Receiver {
  url: string;
  received: Received[];
  close(): Promise<void>;
}

/** The file `hook-key` of the secrets of a worker. */
export const SIGNING_KEY = `whsec_${Buffer.alloc(24, 5).toString('base64')}\n`;

/** The program `page` of the notification programs of a worker. */
export const PAGER = '#!/bin/sh\necho "$OSPATCH_TITLE" >/tmp/title\n';

/** Content of `notifications.yaml`. */
export function workerTargets(url: string): string {
  const notifications = [
    { name: 'hook', webhook: { url, signingKeyFile: 'hook-key' } },
    { name: 'pager', program: 'page' },
  ];
  return `${JSON.stringify({ notifications })}\n`;
}

export async function startReceiver(): Promise<Receiver> {
  const received: Received[] = [];
  const server = createServer((request, answer) => {
    void text(request).then((body) => {
      received.push({ signature: String(request.headers['webhook-signature']), body });
      answer.end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const close = async (): Promise<void> => {
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  };
  return { url: `http://127.0.0.1:${port}/`, received, close };
}
