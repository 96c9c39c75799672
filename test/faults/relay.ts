/** A TCP relay between worker and node that fails in all the ways a network does. */
import type { Server, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { freePorts } from '../../src/dev/ports';

export type RelayMode =
  | { kind: 'pass' }
  /** Nothing passes in either direction and nothing is said; like TCP, what was held back passes afterwards. */
  | { kind: 'black-hole' }
  /** What the worker sends arrives; answers get lost. */
  | { kind: 'one-way' }
  /** In each direction of each connection. */
  | { kind: 'slow'; bytesPerSecond: number }
  /** Nobody listens, and what was open is reset. */
  | { kind: 'refuse' };

export interface Relay {
  readonly port: number;
  set(mode: RelayMode): Promise<void>;
  /** Resets all open connections at both ends. */
  reset(): void;
  /** Open connections end at the node's side only; the worker's side hears nothing. New ones pass. */
  halfOpen(): void;
  /** Connections that are open. */
  readonly open: number;
  /** Connections that were open when something was done to the network, or were opened while it was disturbed. */
  readonly disturbed: number;
  close(): Promise<void>;
}

const SLICES_PER_SECOND = 10;

interface Pair {
  worker: Socket;
  node: Socket;
  /** One side is gone and the other has not been told. */
  cut: boolean;
  /** Answers of the node were dropped: the stream cannot be mended. */
  torn: boolean;
}

/** Listens on a free port of 127.0.0.1 and connects to `target` there. */
export async function startRelay(target: number): Promise<Relay> {
  // Kept for us while the relay refuses and nobody listens there.
  const [port = 0] = await freePorts(1);
  const relay = new TcpRelay(target, port);
  await relay.listen();
  return relay;
}

class TcpRelay implements Relay {
  disturbed = 0;
  private mode: RelayMode = { kind: 'pass' };
  private server: Server | undefined;
  private readonly pairs = new Set<Pair>();

  constructor(
    private readonly target: number,
    readonly port: number,
  ) {}

  get open(): number {
    return this.pairs.size;
  }

  async listen(): Promise<void> {
    const server = createServer({ allowHalfOpen: true }, (worker) => this.accept(worker));
    this.server = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.port, '127.0.0.1', resolve);
    });
  }

  async set(mode: RelayMode): Promise<void> {
    this.mode = mode;
    if (mode.kind === 'refuse') {
      this.server?.close();
      this.server = undefined;
      this.reset();
      return;
    }
    if (mode.kind !== 'pass') this.disturbed += this.pairs.size;
    if (this.server === undefined) await this.listen();
    for (const pair of this.pairs) {
      if (pair.torn && mode.kind !== 'one-way') end(pair);
      this.steer(pair);
    }
  }

  reset(): void {
    this.disturbed += this.pairs.size;
    for (const pair of this.pairs) end(pair);
  }

  halfOpen(): void {
    this.disturbed += this.pairs.size;
    for (const pair of this.pairs) {
      pair.cut = true;
      pair.node.destroy();
    }
  }

  async close(): Promise<void> {
    this.server?.close();
    this.server = undefined;
    for (const pair of this.pairs) end(pair);
  }

  private accept(worker: Socket): void {
    if (this.mode.kind !== 'pass') this.disturbed += 1;
    const node = connect({ port: this.target, host: '127.0.0.1', allowHalfOpen: true });
    const pair: Pair = { worker, node, cut: false, torn: false };
    this.pairs.add(pair);
    this.forward(pair, worker, node);
    this.forward(pair, node, worker);
    for (const socket of [worker, node]) socket.on('error', () => undefined);
    worker.once('close', () => {
      node.destroy();
      this.pairs.delete(pair);
    });
    node.once('close', () => {
      // In a hole or on a cut line the worker is not told either.
      if (!pair.cut && this.mode.kind !== 'black-hole' && this.mode.kind !== 'one-way') worker.destroy();
      else pair.torn = true;
    });
    this.steer(pair);
  }

  private forward(pair: Pair, from: Socket, to: Socket): void {
    from.on('data', (chunk: Buffer) => {
      if (pair.cut) return;
      if (this.mode.kind === 'one-way' && from === pair.node) {
        pair.torn = true;
        return;
      }
      if (this.mode.kind === 'slow') {
        this.trickle(from, to, chunk, Math.max(1, Math.round(this.mode.bytesPerSecond / SLICES_PER_SECOND)));
        return;
      }
      if (!to.write(chunk)) {
        from.pause();
        to.once('drain', () => this.steer(pair));
      }
    });
    from.on('end', () => {
      if (!pair.cut) to.end();
    });
  }

  /** Passes `chunk` on in slices; nothing more is read meanwhile. */
  private trickle(from: Socket, to: Socket, chunk: Buffer, slice: number): void {
    from.pause();
    let offset = 0;
    const timer = setInterval(() => {
      if (!to.destroyed && this.mode.kind !== 'black-hole') {
        to.write(chunk.subarray(offset, offset + slice));
        offset += slice;
      }
      if (offset < chunk.length && !to.destroyed) return;
      clearInterval(timer);
      if (this.mode.kind !== 'black-hole') from.resume();
    }, 1_000 / SLICES_PER_SECOND);
  }

  private steer({ worker, node }: Pair): void {
    for (const socket of [worker, node]) {
      if (this.mode.kind === 'black-hole') socket.pause();
      else socket.resume();
    }
  }
}

function end({ worker, node }: Pair): void {
  worker.resetAndDestroy();
  node.resetAndDestroy();
}
