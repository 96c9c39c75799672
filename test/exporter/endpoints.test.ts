import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { createServer, request } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { runOffline } from '../cli/offline-context';
import { parseListenAddress, serveEndpoints } from '../../src/exporter/endpoints';
import type { Endpoints } from '../../src/exporter/endpoints';
import { serveWorker } from '../../src/exporter/worker-endpoints';

const LOCAL = { host: '127.0.0.1', port: 0 };

async function withServer(
  more: Partial<Endpoints>,
  body: (get: (path: string, init?: RequestInit) => Promise<Response>, url: string) => Promise<void>,
): Promise<void> {
  const endpoints = { metrics: () => [Buffer.from('a 1\n'), Buffer.from('b 2\n')], notReady: () => null, ...more };
  const server = await serveEndpoints(LOCAL, endpoints, '--listen');
  try {
    await body((path, init) => fetch(server.url + path, init), server.url);
  } finally {
    await server.close();
  }
}

describe('src/exporter/endpoints', () => {
  it('answers what Prometheus and a kubelet ask, and nothing else', () =>
    withServer({}, async (get) => {
      const metrics = await get('/metrics?name=x');
      expect(metrics.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
      expect(await metrics.text()).toBe('a 1\nb 2\n');
      expect((await get('/healthz')).status).toBe(200);
      expect((await get('/readyz')).status).toBe(200);
      expect((await get('/')).status).toBe(404);
      expect((await get('/metrics', { method: 'POST', body: 'x' })).status).toBe(405);
    }));

  it.each(['gzip', 'deflate, GZIP;q=0.5', 'br;q=1.0, gzip; q=1'])('compresses for whoever accepts %j', (accepted) =>
    withServer({}, async (_, url) => {
      const get = async (): Promise<[string | undefined, Buffer]> => {
        const [answer] = (await once(
          request(`${url}/metrics`, { headers: { 'accept-encoding': accepted } }).end(),
          'response',
        )) as [IncomingMessage];
        return [answer.headers['content-encoding'], await buffer(answer)];
      };
      for (const [encoding, body] of [await get(), await get()]) {
        expect(encoding).toBe('gzip');
        expect(gunzipSync(body).toString()).toBe('a 1\nb 2\n');
      }
    }),
  );

  it.each(['', 'identity', 'gzip;q=0', 'gzip; q=0.00, br', 'x-gzipped'])('does not compress for %j', (accepted) =>
    withServer({}, async (get) => {
      const answer = await get('/metrics', { headers: { 'accept-encoding': accepted } });
      expect(answer.headers.get('content-encoding')).toBeNull();
      expect(answer.headers.get('vary')).toBe('accept-encoding');
      expect(await answer.text()).toBe('a 1\nb 2\n');
    }),
  );

  it('is alive and not ready while Temporal is away, and says why', () =>
    withServer({ notReady: () => 'Temporal does not answer' }, async (get) => {
      const ready = await get('/readyz');
      expect([ready.status, await ready.text()]).toEqual([503, 'Temporal does not answer\n']);
      expect((await get('/healthz')).status).toBe(200);
    }));

  it('has no page, and not an empty one, while the metrics cannot be read', () =>
    withServer({ metrics: () => Promise.reject(new Error('refused')) }, async (get) => {
      const page = await get('/metrics');
      expect([page.status, await page.text()]).toEqual([503, 'the metrics cannot be read now\n']);
    }));

  it.each([
    [200, 200, /^# HELP ospatch_build_info[^]*\nsdk 1\n$/],
    [404, 503, /^the metrics cannot be read now\n$/],
  ])('has the page of the SDK with its own, unless something else answers there: %d', async (found, status, body) => {
    const worker = await serveWorker(LOCAL, '--metrics', () => null);
    const sdk = createServer((_, answer) => answer.writeHead(found).end('sdk 1\n'));
    sdk.listen(Number(worker.sdkAddress.split(':')[1]), '127.0.0.1');
    await once(sdk, 'listening');
    try {
      const page = await fetch(`${worker.url}/metrics`);
      expect([page.status, await page.text()]).toEqual([status, expect.stringMatching(body)]);
      expect((await fetch(`${worker.url}/healthz`)).status).toBe(200);
    } finally {
      sdk.close();
      sdk.closeAllConnections();
      await worker.close();
    }
  });

  it('says in one sentence that another process listens there', () =>
    withServer({}, async (_, url) => {
      const listen = parseListenAddress(new URL(url).host, '--listen');
      const endpoints = { metrics: () => [], notReady: () => null };
      await expect(serveEndpoints(listen, endpoints, '--listen')).rejects.toMatchObject({
        type: 'Busy',
        message: `--listen: cannot listen on ${new URL(url).host}: another process listens there`,
      });
      await expect(serveWorker(listen, '--metrics', () => null)).rejects.toMatchObject({ type: 'Busy' });
    }));

  it('says that this machine does not have the address', async () => {
    const endpoints = { metrics: () => [], notReady: () => null };
    await expect(serveEndpoints({ host: '192.0.2.1', port: 0 }, endpoints, '--listen')).rejects.toMatchObject({
      type: 'Busy',
      message: '--listen: cannot listen on 192.0.2.1:0: this machine does not have that address',
    });
  });

  it.each([
    [':9464', { host: null, port: 9464 }],
    ['127.0.0.1:9464', { host: '127.0.0.1', port: 9464 }],
    ['localhost:0', { host: 'localhost', port: 0 }],
    ['[::1]:9464', { host: '::1', port: 9464 }],
  ])('reads %s', (text, expected) => {
    expect(parseListenAddress(text, '--listen')).toEqual(expected);
  });

  it.each(['', '9464', 'localhost', ':99999', '::1:9464', 'http://localhost:9464', 'a b:1', ':-1', ':9464/metrics'])(
    'refuses %j with what is allowed',
    (text) => {
      expect(() => parseListenAddress(text, 'OSPATCH_METRICS')).toThrow(
        /^OSPATCH_METRICS: found ".*"; allowed: an address and a port, e\.g\. :9464/,
      );
    },
  );
});

describe('ospatch exporter', () => {
  // The alert rules take what was not read for 15 minutes for a failure.
  it.each(['0s', '500ms', '6m', '1h', 'soon'])('refuses to read Temporal every %s', async (interval) => {
    const { code, stderr } = await runOffline(['exporter', '--interval', interval]);
    expect(code).toBe(2);
    expect(stderr).toContain('at least 1s, at most 5m');
  });
});
