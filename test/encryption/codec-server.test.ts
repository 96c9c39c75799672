import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createCodec } from '../../src/encryption/codec';
import { createCodecServer } from '../../src/encryption/codec-server';

const UI = 'http://localhost:8233';
const TOKEN = 'a-token-of-some-length';
const codec = createCodec({ directory: '/keys', keys: [{ id: 'a:0', key: randomBytes(32) }] });
const PLAIN = {
  metadata: { encoding: Buffer.from('json/plain').toString('base64') },
  data: Buffer.from('{"a":1}').toString('base64'),
};

describe('src/encryption/codec-server', () => {
  let server: Server;
  let url: string;

  beforeAll(async () => {
    server = createCodecServer({ codec, uiOrigin: UI, token: TOKEN, allowsEncode: true, tls: null });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  afterAll(() => {
    server.close();
    server.closeAllConnections();
  });

  function post(path: string, body: unknown, headers: Record<string, string> = {}) {
    return fetch(`${url}${path}`, {
      method: 'POST',
      body: typeof body === 'string' ? body : JSON.stringify(body),
      headers: { authorization: `Bearer ${TOKEN}`, ...headers },
    });
  }

  it('encodes and decodes in the JSON of the Temporal UI', async () => {
    const encoded: unknown = await (await post('/default/cluster/prod/encode', { payloads: [PLAIN] })).json();
    expect(JSON.stringify(encoded)).not.toContain(PLAIN.data);
    const answer = await post('/decode', encoded, { origin: UI });
    expect(answer.headers.get('access-control-allow-origin')).toBe(UI);
    expect(await answer.json()).toEqual({ payloads: [PLAIN] });
  });

  it('answers the CORS preflight of the UI, and of no other page', async () => {
    const ask = (origin: string) => fetch(`${url}/decode`, { method: 'OPTIONS', headers: { origin } });
    const allowed = await ask(UI);
    expect(allowed.status).toBe(204);
    expect(allowed.headers.get('access-control-allow-headers')).toContain('x-namespace');
    const rejected = await ask('http://evil.example');
    expect(rejected.status).toBe(403);
    expect(rejected.headers.get('access-control-allow-origin')).toBeNull();
    expect((await post('/decode', { payloads: [PLAIN] }, { origin: 'http://evil.example' })).status).toBe(403);
  });

  it('accepts a missing list as an empty one, as the temporal CLI writes it', async () => {
    expect(await (await post('/encode', {})).json()).toEqual({ payloads: [] });
  });

  it('rejects requests without the token', async () => {
    expect((await post('/decode', { payloads: [] }, { authorization: 'Bearer wrong' })).status).toBe(401);
    expect((await fetch(`${url}/decode`, { method: 'POST', body: '{}' })).status).toBe(401);
  });

  it.each([
    ['/decode', 'no json', 400],
    ['/decode', { payloads: 'x' }, 400],
    ['/decode', { payloads: [null] }, 400],
    ['/keys', { payloads: [] }, 404],
    ['/../decode/x', { payloads: [] }, 404],
  ])('rejects POST %s %j with %i and continues', async (path, body, status) => {
    expect((await post(path, body)).status).toBe(status);
    expect((await post('/decode', { payloads: [PLAIN] })).status).toBe(200);
  });
});
