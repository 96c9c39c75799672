/** A jump host in process. */
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { Server } from 'ssh2';

export interface Bastion {
  port: number;
  /** Successful logins so far. */
  logins(): number;
  stop(): void;
}

export async function startBastion(hostKey: string): Promise<Bastion> {
  let logins = 0;
  const connections = new Set<{ end(): void }>();
  const server = new Server({ hostKeys: [hostKey] }, (connection) => {
    connections.add(connection);
    connection.on('error', () => undefined);
    connection.on('close', () => connections.delete(connection));
    connection.on('authentication', (context) => context.accept());
    connection.on('ready', () => {
      logins += 1;
    });
    connection.on('tcpip', (accept, reject, { destIP, destPort }) => {
      const socket = connect({ host: destIP, port: destPort });
      socket.on('error', () => undefined);
      socket.once('connect', () => {
        const channel = accept();
        channel.on('error', () => undefined);
        channel.pipe(socket).pipe(channel);
        channel.on('close', () => socket.destroy());
      });
      socket.once('error', () => reject());
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    logins: () => logins,
    stop: () => {
      for (const connection of connections) connection.end();
      server.close();
    },
  };
}
