import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { get } from 'node:http';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { Client, Connection } from '@temporalio/client';

import { mustRun, processStartTime } from '../../src/dev/host';
import type { TemporalServer } from '../../src/dev/temporal-server';
import { startTemporalServer } from '../../src/dev/temporal-server';
import { waitFor } from '../support/wait-for';

const BUILT_SERVER = path.join(__dirname, '../../lib/dev/temporal-server.js');

/** The addresses on which a process listens. */
async function portsOf(pid: number): Promise<string[]> {
  const listed = await mustRun('ss', ['-Hltnp']);
  return listed
    .split('\n')
    .filter((line) => line.includes(`pid=${pid},`))
    .map((line) => line.trim().split(/\s+/)[3] ?? '');
}

describe('src/dev/temporal-server', () => {
  const servers: TemporalServer[] = [];
  let dir: string;

  beforeAll(() => {
    dir = mkdtempSync(path.join(tmpdir(), 'ospatch-server-'));
  });

  afterAll(async () => {
    await Promise.all(servers.map((server) => server.stop()));
    rmSync(dir, { recursive: true });
  });

  async function start(options: Parameters<typeof startTemporalServer>[0]): Promise<TemporalServer> {
    const server = await startTemporalServer(options);
    servers.push(server);
    return server;
  }

  it('serves the web UI and registers the search attributes of ospatch', async () => {
    const server = await start({});
    expect((await fetch(server.uiUrl ?? '')).status).toBe(200);
    const connection = await Connection.connect({ address: server.address });
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace: 'default' });
    await connection.close();
    expect(Object.keys(customAttributes ?? {})).toEqual(
      expect.arrayContaining(['PatchCluster', 'PatchState', 'PatchNextWindow']),
    );
  });

  it('takes no request of a web page, not even of one whose name resolves to this machine', async () => {
    const server = await start({});
    const { port } = new URL(server.uiUrl ?? '');
    const ask = (headers: Record<string, string>) =>
      new Promise<number | undefined>((resolve, reject) => {
        get({ host: '127.0.0.1', port, path: '/api/v1/cluster-info', headers }, ({ statusCode }) =>
          resolve(statusCode),
        ).once('error', reject);
      });
    // The UI starts after the server.
    await waitFor(async () => (await ask({ host: `localhost:${port}` })) === 200, {
      what: 'the UI',
      timeoutMs: 60_000,
    });
    expect(await ask({ host: `evil.example:${port}` })).toBe(403);
    expect(await ask({ host: `127.0.0.1:${port}`, origin: 'http://evil.example' })).toBe(403);
    const listening = await portsOf(server.pid ?? 0);
    expect(listening.length).toBeGreaterThan(3);
    const body = JSON.stringify({ workflowId: 'forged', workflowType: { name: 't' }, taskQueue: { name: 'q' } });
    const started = await Promise.all(
      listening.map(async (address) =>
        fetch(`http://${address}/api/v1/namespaces/default/workflows/forged`, {
          method: 'POST',
          headers: { 'content-type': 'text/plain', origin: 'http://evil.example' },
          body,
          signal: AbortSignal.timeout(5_000),
        }).then(
          ({ ok }) => ok,
          () => false,
        ),
      ),
    );
    expect(started).not.toContain(true);
  });

  it('keeps every workflow over a crash when started with a database file', async () => {
    const dbFile = path.join(dir, 'temporal.db');
    const first = await start({ dbFile, headless: true });
    const port = Number(first.address.split(':')[1]);
    const before = await Connection.connect({ address: first.address });
    await new Client({ connection: before }).workflow.start('anything', { taskQueue: 'nobody', workflowId: 'kept' });
    await before.close();
    await first.kill9();
    const second = await start({ dbFile, headless: true, port });
    expect(second.address).toBe(first.address);
    const after = await Connection.connect({ address: second.address });
    const description = await new Client({ connection: after }).workflow.getHandle('kept').describe();
    await after.close();
    expect(description.status.name).toBe('RUNNING');
  });

  it('stops when the process that started the server is killed', async () => {
    const script = `
      require(${JSON.stringify(BUILT_SERVER)}).startTemporalServer({ headless: true }).then((server) => {
        console.log(server.pid);
        setInterval(() => undefined, 1000);
      });`;
    const owner = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(owner.stdout, 'data')) as [Buffer];
    const pid = Number(line.toString());
    expect(processStartTime(pid)).toBeDefined();
    owner.kill('SIGKILL');
    await waitFor(() => processStartTime(pid) === undefined, { what: 'the end of the orphaned server' });
  });
});
