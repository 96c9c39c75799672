/** A TCP relay between worker and node that fails in every way of a network. */
import type { Server, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { freePorts } from '../../src/dev/ports';

type RelayMode =
  | { kind: 'pass' }
  /** No data passes in either direction and no reset is sent; like TCP, held data passes afterwards. */
  | { kind: 'black-hole' }
  /** Requests of the worker arrive; answers are dropped. */
  | { kind: 'one-way' }
  /** Per direction of each connection. */
  | { kind: 'slow'; bytesPerSecond: number }
  /** Nobody listens, and open connections are reset. */
  | { kind: 'refuse' };

export interface Relay {
  readonly port: number;
  set(mode: RelayMode): Promise<void>;
  /** Resets all open connections at both ends. */
  reset(): void;
  /** Open connections end at the node's side only, unnoticed by the worker. New ones pass. */
  halfOpen(): void;
  /** Number of open connections. */
  readonly open: number;
  /** Connections open at a change of the network, or opened while disturbed. */
  readonly disturbed: number;
  close(): Promise<void>;
}

const SLICES_PER_SECOND = 10;

interface Pair {
  worker: Socket;
  node: Socket;
  /** One side is gone and the other has no notice. */
  cut: boolean;
  /** Answers of the node were dropped: the stream is beyond repair. */
  torn: boolean;
}

/** Listens on a free port of 127.0.0.1 and connects to `target` there. */
export async function startRelay(target: number): Promise<Relay> {
  // Reserves the port while the relay refuses connections.
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
      // In a black hole or on a cut line the worker gets no notice either.
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

  /** Forwards `chunk` in slices, with the reader paused. */
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
