import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connect } from '../../src/client/connection';
import { tlsProblem } from '../../src/client/tls-probe';
import { startTlsFront } from '../support/tls-front';
import type { TlsFront } from '../support/tls-front';

let dir: string;
let plain: Server;
let front: TlsFront;

const SETTINGS = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);

/** A server that answers whatever it is sent as one of HTTP/2 does, without TLS. */
async function startPlain(): Promise<Server> {
  const server = createServer((socket) => socket.on('data', () => socket.end(SETTINGS)).on('error', () => undefined));
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return server;
}

const addressOf = (server: Server): string => `127.0.0.1:${(server.address() as AddressInfo).port}`;
const read = (name: string): Buffer => readFileSync(path.join(dir, name));

beforeAll(async () => {
  dir = mkdtempSync(path.join(tmpdir(), 'ospatch-tls-'));
  plain = await startPlain();
  front = await startTlsFront(dir, addressOf(plain));
});

afterAll(async () => {
  await front.close();
  await new Promise((resolve) => plain.close(resolve));
  rmSync(dir, { recursive: true });
});

describe('src/client/tls-probe', () => {
  const named = { serverNameOverride: 'temporal.internal' };

  it('finds nothing wrong where server and client agree', async () => {
    const clientCertPair = { crt: read('tls.crt'), key: read('tls.key') };
    const settings = { ...named, serverRootCACertificate: read('ca.crt'), clientCertPair };
    expect(await tlsProblem(front.address, settings, {})).toBeNull();
  });

  it('names what is wrong, with the setting that corrects it', async () => {
    const serverRootCACertificate = read('ca.crt');
    const garbage = { crt: Buffer.from('none'), key: Buffer.from('none') };
    const found = async (...of: Parameters<typeof tlsProblem>): Promise<string> => {
      const problem = await tlsProblem(...of);
      return `${problem?.found}; ${problem?.remedy}`;
    };
    expect(await found(front.address, { ...named, serverRootCACertificate }, {})).toMatch(
      /^refuses the connection without a client certificate; set TEMPORAL_TLS_CLIENT_CERT_PATH/,
    );
    expect(await found(front.address, named, {})).toMatch(/which this machine does not vouch.*SERVER_CA_CERT_PATH/);
    expect(await found(front.address, { serverRootCACertificate }, {})).toMatch(
      /^shows a certificate that is not for 127\.0\.0\.1; .*TEMPORAL_TLS_SERVER_NAME/,
    );
    expect(await found(addressOf(plain), {}, {})).toMatch(
      /^does not use TLS, and this client does; .*TEMPORAL_TLS=false/,
    );
    expect(await found(front.address, { ...named, clientCertPair: garbage }, {})).toMatch(
      /TLS files of this client cannot be used/,
    );
  });

  it('ends a connection that cannot succeed long before its timeout', async () => {
    process.env['TEMPORAL_TLS'] = 'true';
    try {
      const from = Date.now();
      await expect(connect({ address: addressOf(plain), deadlineMs: 15_000 })).rejects.toMatchObject({
        type: 'NoServer',
        message: expect.stringContaining('does not use TLS') as string,
      });
      expect(Date.now() - from).toBeLessThan(10_000);
    } finally {
      delete process.env['TEMPORAL_TLS'];
    }
  });
});
