import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { Server } from 'node:https';
import { createServer, get } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { AgentPool } from '../../../src/kubernetes/client/agent-pool';

let server: Server;
let port: number;
let answer: () => void = () => undefined;
let requested: Promise<void>;

beforeAll(async () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'agents-'));
  const [key, cert] = ['key.pem', 'cert.pem'].map((name) => path.join(directory, name)) as [string, string];
  const subject = ['-x509', '-nodes', '-days', '1', '-subj', '/CN=localhost'];
  execFileSync('openssl', ['req', ...subject, '-newkey', 'rsa:2048', '-keyout', key, '-out', cert], {
    stdio: 'ignore',
  });
  let onAsked: () => void = () => undefined;
  requested = new Promise((resolve) => {
    onAsked = resolve;
  });
  server = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (_, response) => {
    answer = () => response.end('here');
    onAsked();
  });
  rmSync(directory, { recursive: true });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  ({ port } = server.address() as AddressInfo);
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
});

/** Options of no other call. */
function options(servername: string) {
  return { servername, rejectUnauthorized: false };
}

describe('src/kubernetes/client/agent-pool', () => {
  it('shares one agent between equal configurations', () => {
    const pool = new AgentPool();
    expect(pool.get(options('a'))).toBe(pool.get(options('a')));
    expect(pool.get(options('a'))).not.toBe(pool.get(options('b')));
    pool.close();
  });

  it('evicts the least recently used agent', () => {
    const pool = new AgentPool(2);
    const [a, b] = [pool.get(options('a')), pool.get(options('b'))];
    expect(pool.get(options('a'))).toBe(a);
    pool.get(options('c'));
    expect(pool.get(options('a'))).toBe(a);
    expect(pool.get(options('b'))).not.toBe(b);
    pool.close();
  });

  it('lets a pending request finish when its agent is evicted', async () => {
    const pool = new AgentPool(1);
    const body = new Promise<string>((resolve, reject) => {
      const request = get({ host: '127.0.0.1', port, agent: pool.get(options('a')) }, (response) => {
        response.on('data', (data: Buffer) => resolve(data.toString()));
      });
      request.on('error', reject);
    });
    await requested;
    pool.get(options('b'));
    answer();
    expect(await body).toBe('here');
    pool.close();
  });
});
