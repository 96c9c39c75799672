/** An SSH server in process that speaks the protocol and sends what no honest server would. */
import type { AddressInfo, Socket } from 'node:net';
import { createServer } from 'node:net';
import type { Algorithms, Connection, ServerChannel } from 'ssh2';
import { Server } from 'ssh2';

/** The parts of ssh2's protocol object that make packets; not in its types. */
interface Protocol {
  _packetRW: {
    write: {
      allocStart: number;
      alloc(length: number): Buffer;
      finalize(packet: Buffer): Buffer;
    };
  };
  _cipher: { encrypt(packet: Buffer): void };
}

export interface HostileServer {
  port: number;
  /** Bytes the system took over for sending, over all connections. */
  sent(): number;
  connections(): number;
  stop(): void;
}

export interface Hostility {
  hostKey: string;
  algorithms?: Algorithms;
  /** Whether a public key (`TYPE BASE64`) may log in. Default: any. */
  accepts?: (key: string) => boolean;
  /** After the key exchange, before the login. */
  onHandshake?: (send: (payload: Buffer) => void) => void;
  onLogin?: (send: (payload: Buffer) => void) => void;
  onExec?: (channel: ServerChannel, send: (payload: Buffer) => void) => void;
}

/** More than any limit, so that a test of a missing limit ends too. */
const ENOUGH_BYTES = 96 * 1024 * 1024;

export async function startHostile(hostility: Hostility): Promise<HostileServer> {
  const sockets = new Set<Socket>();
  let ended = 0;
  const { hostKey, algorithms } = hostility;
  const ssh = new Server({ hostKeys: [hostKey], ...(algorithms === undefined ? {} : { algorithms }) });
  ssh.on('connection', (connection: Connection) => {
    connection.on('error', () => undefined);
    const send = sender(connection);
    connection.on('handshake', () => hostility.onHandshake?.(send));
    connection.on('authentication', (context) => {
      const { accepts } = hostility;
      if (accepts === undefined) return context.accept();
      if (context.method !== 'publickey') return context.reject(['publickey']);
      const { algo, data } = context.key;
      if (accepts(`${algo} ${data.toString('base64')}`)) context.accept();
      else context.reject(['publickey']);
    });
    connection.on('ready', () => hostility.onLogin?.(send));
    connection.on('session', (accept) => {
      accept().on('exec', (acceptExec) => {
        const channel = acceptExec();
        hostility.onExec?.(channel, send);
      });
    });
  });
  const tcp = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => {
      ended += socket.bytesWritten;
      sockets.delete(socket);
    });
    ssh.injectSocket(socket);
  });
  await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve));
  return {
    port: (tcp.address() as AddressInfo).port,
    sent: () => [...sockets].reduce((sum, { bytesWritten }) => sum + bytesWritten, ended),
    connections: () => sockets.size,
    stop: () => {
      for (const socket of sockets) socket.destroy();
      tcp.close();
    },
  };
}

/** Sends a payload as it is, whatever the windows say. */
function sender(connection: Connection): (payload: Buffer) => void {
  const { _protocol: protocol } = connection as unknown as { _protocol: Protocol };
  return (payload) => {
    const { write } = protocol._packetRW;
    const start = write.allocStart;
    const packet = write.alloc(payload.length);
    packet.set(payload, start);
    protocol._cipher.encrypt(write.finalize(packet));
  };
}

/** Repeats `payload` for as long as anybody takes it. */
export function flood(send: (payload: Buffer) => void, payload: Buffer): void {
  let bytes = 0;
  const more = (): void => {
    try {
      for (let packets = 0; packets < 16; packets++) send(payload);
    } catch {
      // The connection is gone.
      return;
    }
    bytes += 16 * payload.length;
    if (bytes < ENOUGH_BYTES) setImmediate(more);
  };
  more();
}

/** Fields of an SSH message: numbers are bytes, text and buffers get a length in front. */
export function message(type: number, ...fields: (number | string | Buffer | { uint32: number })[]): Buffer {
  return Buffer.concat([
    Buffer.from([type]),
    ...fields.map((field) => {
      if (typeof field === 'number') return Buffer.from([field]);
      const value = Buffer.isBuffer(field) || typeof field === 'string' ? Buffer.from(field) : null;
      const head = Buffer.alloc(4);
      head.writeUInt32BE(value === null ? (field as { uint32: number }).uint32 : value.length);
      return Buffer.concat([head, value ?? Buffer.alloc(0)]);
    }),
  ]);
}
