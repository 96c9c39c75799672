/** A node that answers in microseconds and floods its log: it gets few calls, and leaves the worker to the others. */
import { parseFacts } from '../../src/node/facts';
import { RemoteNode } from '../../src/node/remote-node';
import type { Session } from '../../src/node/session';
import { sshTarget } from '../../src/node/ssh-target';
import { applyPlan } from '../../src/node/transaction';
import { createTransportPool } from '../../src/ssh/pool';
import { TARGET, fakeSession, jobAnswer } from '../node/fake-node';
import { keyDirectory, keyPair, startServer } from '../ssh/support';

const JOB = { token: '0123456789abcdef', number: 1 } as const;
const CHUNK = 65_536;
const NOTHING = { code: 0, signal: null, stderr: Buffer.alloc(0) };

/** Follows the job for that long, as a worker does; returns the processor time that took. */
async function followFor(session: Session, ms: number): Promise<number> {
  const stop = new AbortController();
  const plan = { digest: 'a'.repeat(64), count: 1_000_000 };
  const started = process.cpuUsage();
  const ended = applyPlan({ ...session, signal: stop.signal }, JOB, plan, { manager: 'apt' });
  setTimeout(() => stop.abort(new Error('enough')), ms);
  await expect(ended).rejects.toThrow();
  const { user, system } = process.cpuUsage(started);
  return (user + system) / 1_000;
}

/** What else the machine does can only add to the processor time of a measurement, so the least of some is the true one. */
const MEASUREMENTS = 3;

describe('a flooding node', () => {
  it.each([
    ['empty lines', '\n'],
    ['progress of packages', 'Setting up a (1) ...\n'],
    ['secrets', 'token=a\n'],
    ['one endless line', 'x'],
    ['carriage returns', '\r'],
  ])('with %s gets at most four polls a second and a small share of a processor', async (_, piece) => {
    const log = piece.repeat(Math.floor(CHUNK / piece.length));
    const session = fakeSession([jobAnswer('running', { log, size: 1e11 })]);
    await followFor(session, 20);
    let least = Infinity;
    for (let done = 0; done < MEASUREMENTS && least >= 200; done += 1) {
      const before = session.transport.calls.length;
      least = Math.min(least, await followFor(session, 800));
      expect(session.transport.calls.length - before).toBeLessThanOrEqual(4);
    }
    expect(least).toBeLessThan(200);
  });

  it('over a real connection gets no more', async () => {
    const login = keyPair();
    let calls = 0;
    const log = 'Setting up a (1) ...\n'.repeat(3_000);
    const server = await startServer({
      hostKeys: [keyPair()],
      accepts: login.public,
      onExec: (_command, channel) => {
        calls += 1;
        channel.write(jobAnswer('running', { log, size: 1e11 }));
        channel.exit(0);
        channel.end();
      },
    });
    const keys = keyDirectory({ demo: { content: login.private } });
    const pool = createTransportPool({ keyDir: keys.dir });
    try {
      const ssh = { user: 'me', port: server.port, identity: 'demo', helper: 'auto' } as const;
      const target = { ...TARGET, host: '127.0.0.1', ssh, hostKeys: [server.hostKey] };
      const node = new RemoteNode(target, pool.transport(sshTarget(target)));
      await followFor({ ...fakeSession(['']), node }, 1_000);
      expect(calls).toBeGreaterThan(0);
      expect(calls).toBeLessThanOrEqual(5);
    } finally {
      pool.close();
      server.stop();
      keys.remove();
    }
  });

  it('with facts of absurd size is refused, or read in a moment', async () => {
    const facts = Array.from({ length: 90_000 }, (_unused, at) => `${at.toString(36)}=\n`).join('');
    const started = process.cpuUsage();
    parseFacts(1, `boot_id=x\n${facts}end\n`);
    expect(process.cpuUsage(started).user / 1_000).toBeLessThan(500);
    let asked: number | undefined;
    const session = fakeSession(['']);
    session.transport.exec = (_command, options) => {
      asked = options?.maxBytes;
      return Promise.resolve({ ...NOTHING, stdout: Buffer.from('ospatch 1 facts\nend\n'), truncated: true });
    };
    await expect(session.node.facts()).rejects.toMatchObject({
      message: expect.stringContaining('too long') as string,
    });
    expect(asked).toBeLessThanOrEqual(512 * 1_024);
  });
});
