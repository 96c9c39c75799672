import type { Server, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { waitFor } from '../support/wait-for';
import type { Relay } from './relay';
import { startRelay } from './relay';

/** An echo server that records its connections. */
class Node {
  received = '';
  ends: string[] = [];
  readonly server: Server = createServer((socket) => {
    socket.on('data', (chunk: Buffer) => {
      this.received += chunk.toString();
      socket.write(chunk);
    });
    socket.on('error', () => undefined);
    socket.on('close', () => this.ends.push('closed'));
  });

  listen(): Promise<number> {
    return new Promise((resolve) => {
      this.server.listen(0, '127.0.0.1', () => {
        const address = this.server.address();
        resolve(address !== null && typeof address === 'object' ? address.port : 0);
      });
    });
  }
}

class Worker {
  received = '';
  end: string | undefined;
  readonly socket: Socket;

  constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1' });
    this.socket.on('data', (chunk: Buffer) => (this.received += chunk.toString()));
    this.socket.on('error', (error: NodeJS.ErrnoException) => (this.end = error.code ?? 'error'));
    this.socket.on('close', () => (this.end ??= 'closed'));
  }

  /** Sends `text` and waits for the echo. */
  async echo(text: string): Promise<void> {
    this.received = '';
    this.socket.write(text);
    await waitFor(() => this.received === text, { what: `the echo of ${text}`, pollMs: 5 });
  }
}

let node: Node;
let relay: Relay;
const workers: Worker[] = [];

function worker(): Worker {
  const one = new Worker(relay.port);
  workers.push(one);
  return one;
}

beforeEach(async () => {
  node = new Node();
  relay = await startRelay(await node.listen());
});

afterEach(async () => {
  for (const one of workers.splice(0)) one.socket.destroy();
  await relay.close();
  await new Promise((resolve) => {
    node.server.close(resolve);
  });
});

const QUIET_MS = 50;

describe('faults/relay', () => {
  it('forwards both directions', async () => {
    await worker().echo('hello');
    expect([relay.open, relay.disturbed]).toEqual([1, 0]);
  });

  it('resets open connections at both ends, and forwards new ones', async () => {
    const one = worker();
    await one.echo('a');
    relay.reset();
    await waitFor(() => one.end !== undefined && node.ends.length === 1, { what: 'both ends' });
    expect(one.end).toBe('ECONNRESET');
    expect(relay.disturbed).toBe(1);
    await worker().echo('b');
  });

  it('holds all data back in a black hole, sends no reset, and delivers afterwards', async () => {
    const one = worker();
    await one.echo('a');
    await relay.set({ kind: 'black-hole' });
    one.received = '';
    one.socket.write('late');
    await sleep(QUIET_MS);
    expect([node.received, one.received, one.end]).toEqual(['a', '', undefined]);
    await relay.set({ kind: 'pass' });
    await waitFor(() => one.received === 'late', { what: 'the held data' });
  });

  it('drops answers but delivers requests', async () => {
    const one = worker();
    await one.echo('a');
    await relay.set({ kind: 'one-way' });
    one.received = '';
    one.socket.write('b');
    await waitFor(() => node.received === 'ab', { what: 'the sent data' });
    await sleep(QUIET_MS);
    expect([one.received, one.end]).toEqual(['', undefined]);
    // The stream has a gap now, so the connection ends.
    await relay.set({ kind: 'pass' });
    await waitFor(() => one.end !== undefined, { what: 'the end of the broken connection' });
  });

  it('closes the side of the node only', async () => {
    const one = worker();
    await one.echo('a');
    relay.halfOpen();
    await waitFor(() => node.ends.length === 1, { what: 'the end at the node' });
    one.received = '';
    one.socket.write('b');
    await sleep(QUIET_MS);
    expect([one.received, one.end]).toEqual(['', undefined]);
    await worker().echo('c');
  });

  it('refuses connections, and listens on the same port again', async () => {
    const one = worker();
    await one.echo('a');
    await relay.set({ kind: 'refuse' });
    await waitFor(() => one.end !== undefined, { what: 'the end of the open connection' });
    const rejected = worker();
    await waitFor(() => rejected.end !== undefined, { what: 'the refusal' });
    expect(rejected.end).toBe('ECONNREFUSED');
    await relay.set({ kind: 'pass' });
    await worker().echo('b');
  });

  it('slows each direction down', async () => {
    const one = worker();
    await relay.set({ kind: 'slow', bytesPerSecond: 10_000 });
    const started = Date.now();
    await one.echo('x'.repeat(5_000));
    expect(Date.now() - started).toBeGreaterThan(400);
  });
});
