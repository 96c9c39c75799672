/** A real SSH server in process, and a key directory. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Connection, ServerChannel } from 'ssh2';
import { Server, utils } from 'ssh2';
import type { SshTarget } from '../../src/ssh/transport';

interface KeyPair {
  private: string;
  /** `TYPE BASE64`. */
  public: string;
}

export function keyPair(type: 'ed25519' | 'ecdsa' | 'rsa' = 'ed25519', rsaBits = 2048): KeyPair {
  const bits = { ed25519: {}, ecdsa: { bits: 256 }, rsa: { bits: rsaBits } }[type];
  const pair = utils.generateKeyPairSync(type as 'ed25519', bits as never);
  // One key in 256 begins with a zero, which ssh2 omits when writing the key.
  if (utils.parseKey(pair.public) instanceof Error) return keyPair(type, rsaBits);
  return { private: pair.private, public: pair.public.split(' ').slice(0, 2).join(' ') };
}

export interface TestServer {
  port: number;
  hostKey: string;
  /** Successful logins so far. */
  logins: number;
  connections: Set<Connection>;
  stop(): void;
}

interface ServerOptions {
  hostKeys: KeyPair[];
  /** The public key that may log in. */
  accepts: string;
  onExec: (command: string, channel: ServerChannel) => void;
}

export async function startServer({ hostKeys, accepts, onExec }: ServerOptions): Promise<TestServer> {
  const connections = new Set<Connection>();
  const state = { logins: 0 };
  const server = new Server({ hostKeys: hostKeys.map((key) => key.private) }, (connection) => {
    connections.add(connection);
    connection.on('error', () => undefined);
    connection.on('close', () => connections.delete(connection));
    connection.on('authentication', (context) => {
      const blob = context.method === 'publickey' ? context.key.data.toString('base64') : '';
      if (accepts.split(' ')[1] === blob) context.accept();
      else context.reject();
    });
    connection.on('ready', () => {
      state.logins += 1;
      connection.on('session', (accept) => {
        accept().on('exec', (acceptExec, _reject, { command }) => onExec(command, acceptExec()));
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    hostKey: hostKeys[0]?.public ?? '',
    get logins() {
      return state.logins;
    },
    connections,
    stop: () => {
      for (const connection of connections) connection.end();
      server.close();
    },
  };
}

/** A plain TCP server that behaves like a broken machine. */
export async function startTcp(onConnection: (socket: Socket) => void): Promise<{ port: number; stop(): void }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    onConnection(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    stop: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

export function keyDirectory(files: Record<string, { content: string; mode?: number }>): {
  dir: string;
  remove(): void;
} {
  const dir = mkdtempSync(path.join(tmpdir(), 'ospatch-keys-'));
  for (const [name, { content, mode }] of Object.entries(files)) {
    writeFileSync(path.join(dir, name), content, { mode: mode ?? 0o600 });
  }
  return { dir, remove: () => rmSync(dir, { recursive: true }) };
}

export function targetOn(port: number, hostKeys: string[], other: Partial<SshTarget> = {}): SshTarget {
  return { name: 'w-1', host: '127.0.0.1', port, user: 'ospatch', identity: 'id', hostKeys, ...other };
}
