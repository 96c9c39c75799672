import { execFileSync } from 'node:child_process';
import type { IncomingMessage, RequestListener, Server } from 'node:http';
import { createServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createServer as createTcpServer } from 'node:net';
import type { HttpCall } from '../../src/http/call';
import { callHttp } from '../../src/http/call';
import { HttpFailure } from '../../src/http/failure';

const open: { close(): unknown }[] = [];

afterEach(() => {
  for (const server of open.splice(0)) server.close();
});

async function serve(listener: RequestListener): Promise<string> {
  const server: Server = createServer(listener);
  open.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return text;
}

async function failureOf(
  call: HttpCall,
  ...resolve: Parameters<typeof callHttp> extends [unknown, ...infer R] ? R : never
) {
  const error: unknown = await callHttp(call, ...resolve).catch((one: unknown) => one);
  if (error instanceof HttpFailure) return error;
  throw new Error(`no HttpFailure: ${String(error)}`);
}

it('sends the body and returns any answer', async () => {
  const url = await serve((request, response) => {
    void bodyOf(request).then((body) => {
      response.writeHead(418, { 'x-method': request.method ?? '', 'x-secret': request.headers.authorization ?? '' });
      response.end(`got ${body}`);
    });
  });
  const answer = await callHttp({ method: 'POST', url, body: 'ä', headers: { authorization: 'Bearer x' } });
  expect(answer).toMatchObject({
    status: 418,
    headers: { 'x-method': 'POST', 'x-secret': 'Bearer x' },
    body: 'got ä',
  });
});

it('connects to the address that was judged, and to no other', async () => {
  const url = await serve((request, response) => response.end(request.headers.host));
  const { port } = new URL(url);
  const within = { networks: ['127.0.0.0/8'], rule: 'chat', cluster: 'prod', path: 'notifications[0].url' };
  let asked = 0;
  const rebinding = () => {
    asked += 1;
    return Promise.resolve(
      asked === 1
        ? [
            { address: '10.9.9.9', family: 4 },
            { address: '127.0.0.1', family: 4 },
          ]
        : [],
    );
  };
  const call: HttpCall = { method: 'GET', url: `http://hooks.example.com:${port}`, within };
  await expect(callHttp(call, rebinding)).resolves.toMatchObject({ body: `hooks.example.com:${port}` });
  expect(asked).toBe(1);
  const outside = await failureOf({ ...call, within: { ...within, networks: ['10.0.0.0/16'] } }, () =>
    Promise.resolve([{ address: '127.0.0.1', family: 4 }]),
  );
  expect(outside).toMatchObject({ kind: 'denied', isTransient: false });
  expect(outside.message).not.toContain('127.0.0.1');
  expect(await failureOf({ method: 'GET', url, within: { ...within, networks: ['10.0.0.0/8'] } })).toMatchObject({
    kind: 'denied',
  });
});

it.each([
  ['another server', 302, 'http://evil.example.com/'],
  ['another port', 307, 'http://127.0.0.1:1/'],
])('does not follow a redirect to %s', async (_where, status, location) => {
  const url = await serve((_request, response) => response.writeHead(status, { location }).end());
  const failure = await failureOf({ method: 'POST', url: `${url}/secret-path`, body: '{}' });
  expect(failure.kind).toBe('redirect');
  expect(failure.message).not.toContain('secret-path');
});

it('follows a redirect on the same server that keeps the request, and no endless ones', async () => {
  const url = await serve((request, response) => {
    if (request.url === '/loop') response.writeHead(307, { location: '/loop' }).end();
    else if (request.url === '/a') response.writeHead(308, { location: '/b' }).end();
    else if (request.url === '/c') response.writeHead(303, { location: '/b' }).end();
    else void bodyOf(request).then((body) => response.end(`${request.method} ${request.url} ${body}`));
  });
  await expect(callHttp({ method: 'POST', url: `${url}/a`, body: 'x' })).resolves.toMatchObject({ body: 'POST /b x' });
  expect(await failureOf({ method: 'GET', url: `${url}/loop` })).toMatchObject({ kind: 'redirect' });
  expect(await failureOf({ method: 'POST', url: `${url}/c`, body: 'x' })).toMatchObject({ kind: 'redirect' });
});

it('reads no more of an answer than allowed', async () => {
  const url = await serve((_request, response) => response.end('x'.repeat(3_000_000)));
  expect(await failureOf({ method: 'GET', url })).toMatchObject({ kind: 'answer' });
  const cut = await callHttp({ method: 'GET', url, maxBytes: 10, onUnreadable: 'cut' });
  expect(cut.body).toBe('xxxxxxxxxx');
});

it('ends a call to a server that never answers, or never ends', async () => {
  const silent = await serve(() => undefined);
  expect(await failureOf({ method: 'GET', url: silent, timeoutMs: 50 })).toMatchObject({
    kind: 'timeout',
    isTransient: true,
  });
  const endless = await serve((_request, response) => {
    response.write('a');
  });
  expect(await failureOf({ method: 'GET', url: endless, timeoutMs: 50 })).toMatchObject({ kind: 'timeout' });
  const stop = new AbortController();
  const stopped = callHttp({ method: 'GET', url: silent, signal: stop.signal });
  stop.abort(new Error('stopped by the test'));
  await expect(stopped).rejects.toThrow('stopped by the test');
});

it('takes the status of an answer whose body breaks off, never ends or is compressed, where only the status counts', async () => {
  const breaks: RequestListener = (_request, response) => {
    response.writeHead(202, { 'content-length': '100' });
    response.write('taken', () => response.destroy());
  };
  const hangs: RequestListener = (_request, response) => void response.writeHead(202).write('taken');
  const compresses: RequestListener = (_request, response) =>
    response.writeHead(202, { 'content-encoding': 'gzip' }).end('taken');
  for (const [listener, body] of [
    [breaks, 'taken'],
    [hangs, 'taken'],
    [compresses, ''],
  ] as const) {
    const call: HttpCall = { method: 'POST', url: await serve(listener), body: 'x', timeoutMs: 200 };
    await expect(callHttp({ ...call, onUnreadable: 'cut' })).resolves.toMatchObject({ status: 202, body });
    await failureOf(call);
  }
});

it('says what is wrong without what may be secret', async () => {
  const tcp = createTcpServer((socket) => socket.destroy());
  open.push(tcp);
  await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve));
  const { port } = tcp.address() as AddressInfo;
  const cases: [HttpCall, string][] = [
    [{ method: 'GET', url: `http://127.0.0.1:${port}/s3cret` }, 'connection'],
    [{ method: 'GET', url: `https://127.0.0.1:${port}/s3cret` }, 'connection'],
    [{ method: 'GET', url: 'http://127.0.0.1:1/s3cret' }, 'connection'],
    [{ method: 'GET', url: 'ftp://127.0.0.1/s3cret' }, 'input'],
    [{ method: 'GET', url: 's3cret' }, 'input'],
    [{ method: 'GET', url: 'https://user:s3cret@127.0.0.1/' }, 'input'],
    [{ method: 'GET', url: 'http://127.0.0.1:1/', headers: { authorization: 's3cret\nx: y' } }, 'input'],
  ];
  for (const [call, kind] of cases) {
    const failure = await failureOf(call);
    expect(failure.kind).toBe(kind);
    expect(JSON.stringify([failure.message, failure.remedy, failure.stack])).not.toContain('s3cret');
  }
  const unknown = await failureOf({ method: 'GET', url: 'https://nowhere.example/s3cret' }, () =>
    Promise.reject(Object.assign(new Error('getaddrinfo'), { code: 'ENOTFOUND' })),
  );
  expect(unknown.message).toBe(
    'nowhere.example:443 cannot be called: the name cannot be resolved on the worker (ENOTFOUND)',
  );
});

it('verifies the certificate of the server', async () => {
  const { certificate, key } = selfSigned();
  const server = createHttpsServer({ cert: certificate, key }, (_request, response) => response.end('trusted'));
  open.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  expect(await failureOf({ method: 'GET', url })).toMatchObject({ kind: 'tls' });
  await expect(callHttp({ method: 'GET', url, tls: { ca: certificate } })).resolves.toMatchObject({ body: 'trusted' });
});

function selfSigned(): { certificate: string; key: string } {
  const text = execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
      ...['-subj', '/CN=test', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', '-', '-out', '-'],
    ],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
  );
  const [key = '', certificate = ''] = text.split(/(?=-----BEGIN CERTIFICATE)/);
  return { certificate, key };
}
