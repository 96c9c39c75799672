/** A server of Temporal behind TLS that asks for a client certificate, as in production. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import path from 'node:path';
import { createServer } from 'node:tls';
import { mustRun } from '../../src/dev/host';

export interface TlsFront {
  address: string;
  /** How many connections had a certificate of a client. */
  clients(): number;
  close(): Promise<void>;
}

/** Writes `ca.crt`, and `tls.crt` with `tls.key` of a client, into `directory`, and passes connections on to `target`. */
export async function startTlsFront(directory: string, target: string): Promise<TlsFront> {
  const at = (name: string): string => path.join(directory, name);
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc', '-days', '2'];
  const make = (name: string, ...more: string[]): Promise<string> =>
    mustRun('openssl', [
      ...request,
      '-keyout',
      at(`${name}.key`),
      '-out',
      at(`${name}.crt`),
      '-subj',
      `/CN=${name}`,
      ...more,
    ]);
  await make('ca');
  const byCa = ['-CA', at('ca.crt'), '-CAkey', at('ca.key'), '-addext', 'basicConstraints=critical,CA:FALSE'];
  await make('server', ...byCa, '-addext', 'subjectAltName=DNS:temporal.internal');
  await make('tls', ...byCa);
  let clients = 0;
  const read = (name: string): Buffer => readFileSync(at(name));
  const options = { key: read('server.key'), cert: read('server.crt'), ca: read('ca.crt'), ALPNProtocols: ['h2'] };
  const [host = '', port = ''] = target.split(':');
  const open = new Set<{ destroy(): void }>();
  const server = createServer({ ...options, requestCert: true, rejectUnauthorized: true }, (incoming) => {
    clients += 1;
    const outgoing = connect(Number(port), host);
    for (const [from, to] of [
      [incoming, outgoing],
      [outgoing, incoming],
    ] as const) {
      open.add(from);
      from.pipe(to);
      from.on('error', () => to.destroy());
      from.on('close', () => open.delete(from));
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = async (): Promise<void> => {
    server.close();
    for (const socket of open) socket.destroy();
    await once(server, 'close');
  };
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, clients: () => clients, close };
}
