import { OspatchError } from '../../src/domain/shared/errors';
import type { Connection } from '../../src/ssh/builtin/connection';
import { SessionRefused } from '../../src/ssh/builtin/connection';
import { createTransportPool } from '../../src/ssh/pool';
import type { ExecResult } from '../../src/ssh/transport';
import { targetOn } from './support';

const OK: ExecResult = { code: 0, signal: null, stdout: Buffer.alloc(0), stderr: Buffer.alloc(0), truncated: false };

class FakeConnection implements Connection {
  closed = false;
  private readonly listeners: (() => void)[] = [];
  exec = (): Promise<ExecResult> => Promise.resolve(OK);

  onClose(listener: () => void): void {
    this.listeners.push(listener);
  }

  end(): void {
    this.closed = true;
    for (const listener of this.listeners) listener();
  }
}

function pooled(idleMs = 60_000) {
  const opened: FakeConnection[] = [];
  const connect = jest.fn(() => {
    const connection = new FakeConnection();
    opened.push(connection);
    return Promise.resolve(connection);
  });
  return { pool: createTransportPool({ keyDir: '/keys', idleMs, connect }), opened, connect };
}

const target = targetOn(22, ['ssh-ed25519 A']);

describe('src/ssh/pool', () => {
  afterEach(() => jest.useRealTimers());

  it('logs in once for sequential and concurrent calls', async () => {
    const { pool, connect } = pooled();
    await Promise.all([pool.transport(target).exec('a'), pool.transport(target).exec('b')]);
    await pool.transport(target).exec('c');
    expect(connect).toHaveBeenCalledTimes(1);
    pool.close();
  });

  it.each([
    ['user', { user: 'root' }],
    ['port', { port: 2222 }],
    ['identity', { identity: 'other' }],
    ['trusted host keys', { hostKeys: ['ssh-ed25519 B'] }],
  ])('never shares a connection between targets that differ in %s', async (_what, difference) => {
    const { pool, connect } = pooled();
    await pool.transport(target).exec('a');
    await pool.transport({ ...target, ...difference }).exec('a');
    expect(connect).toHaveBeenCalledTimes(2);
    pool.close();
  });

  it('reconnects after a connection broke, was dropped, or could not be made', async () => {
    const { pool, opened, connect } = pooled();
    const transport = pool.transport(target);
    await transport.exec('a');
    opened[0]?.end();
    await transport.exec('a');
    transport.close();
    await Promise.resolve();
    expect(opened[1]?.closed).toBe(true);
    connect.mockRejectedValueOnce(new OspatchError({ type: 'Unreachable', message: 'no' }));
    await expect(transport.exec('a')).rejects.toMatchObject({ type: 'Unreachable' });
    await transport.exec('a');
    expect(connect).toHaveBeenCalledTimes(4);
    pool.close();
  });

  it('retries for a while when a busy host still counts the session that has just ended', async () => {
    const { pool, opened } = pooled();
    await pool.transport(target).exec('a');
    const [connection] = opened;
    if (connection === undefined) throw new Error('no connection');
    let refusals = 0;
    connection.exec = () => {
      refusals += 1;
      return refusals > 8 ? Promise.resolve(OK) : Promise.reject(new SessionRefused('open failed'));
    };
    expect(await pool.transport(target).exec('b')).toEqual(OK);
    pool.close();
  });

  it('closes an idle connection, but not one in use', async () => {
    jest.useFakeTimers();
    const { pool, opened } = pooled(30_000);
    let finish: (result: ExecResult) => void = () => undefined;
    await pool.transport(target).exec('a');
    const [connection] = opened;
    if (connection === undefined) throw new Error('no connection');
    connection.exec = () => new Promise((resolve) => (finish = resolve));
    const long = pool.transport(target).exec('long');
    await jest.advanceTimersByTimeAsync(60_000);
    expect(connection.closed).toBe(false);
    finish(OK);
    await long;
    await jest.advanceTimersByTimeAsync(29_000);
    expect(connection.closed).toBe(false);
    await jest.advanceTimersByTimeAsync(1_000);
    expect(connection.closed).toBe(true);
  });

  it('closes everything on close', async () => {
    const { pool, opened } = pooled();
    await pool.transport(target).exec('a');
    await pool.transport({ ...target, port: 23 }).exec('a');
    pool.close();
    await Promise.resolve();
    await Promise.resolve();
    expect(opened.map(({ closed }) => closed)).toEqual([true, true]);
  });
});
