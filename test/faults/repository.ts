/** A package repository over HTTP, on this machine, with deliberately wrong answers. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import type { LabNode } from '../support/local-stack';
import { REPOSITORY_DIR } from '../support/local-stack';
import { write } from './node-tools';

interface WebRepository {
  readonly port: number;
  /** Answers per file name: other content, or null for `404 Not Found`. */
  answers: Map<string, (content: Buffer) => Buffer | null>;
  close(): Promise<void>;
}

/** Serves the node's repository, and makes the node use the server instead of the directory. */
export async function webRepository(node: LabNode, options = '[trusted=yes]'): Promise<WebRepository> {
  const answers: WebRepository['answers'] = new Map();
  const server = createServer((request, response) => {
    const name = path.basename(request.url ?? '');
    const found = read(path.join(node.rootDir, REPOSITORY_DIR, name));
    const answer = found === null ? null : (answers.get(name) ?? ((content: Buffer) => content))(found);
    if (answer === null) response.writeHead(404).end();
    else response.writeHead(200, { 'content-length': answer.length }).end(answer);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  useRepository(node, port, options);
  return {
    port,
    answers,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Makes the node use the repository on this port, and no other. */
export function useRepository(node: LabNode, port: number, options = '[trusted=yes]'): void {
  write(node, 'etc/apt/sources.list', '');
  write(node, 'etc/apt/sources.list.d/lab.list', `deb ${options} http://127.0.0.1:${port}/ ./\n`);
  write(node, 'etc/apt/apt.conf.d/96lab-direct', 'Acquire::http::Proxy::127.0.0.1 "DIRECT";\n');
}

function read(file: string): Buffer | null {
  try {
    return readFileSync(file);
  } catch {
    return null;
  }
}
