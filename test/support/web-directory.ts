/** A directory served over HTTP on this machine, which can be stopped. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';

export interface WebDirectory {
  readonly url: string;
  /** Requested paths, oldest first. */
  readonly requests: string[];
  /** Closes the port. */
  close(): Promise<void>;
}

export async function serveDirectory(directory: string): Promise<WebDirectory> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const name = path.normalize(decodeURIComponent(new URL(request.url ?? '/', 'http://node').pathname));
    requests.push(name);
    try {
      response.end(readFileSync(path.join(directory, name)));
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
