/** Waiting for others who are at work on the node, in attempts that give back their place. */
import { followJob } from '../../src/node/job/follow';
import type { OthersOptions } from '../../src/node/others-at-work';
import { OthersAtWork } from '../../src/node/others-at-work';
import { preflightNode } from '../../src/node/preflight';
import type { RetryLater } from '../../src/retry/hand-back';
import { Hold } from '../../src/retry/hand-back';
import type { Answer } from './fake-node';
import { factsAnswer, fakeSession, jobAnswer } from './fake-node';

let clock = 0;
jest.mock('node:timers/promises', () => ({
  setTimeout: (ms: number) => {
    clock += ms;
    return Promise.resolve();
  },
}));

const HOUR_MS = 3_600_000;
const TOKEN = '0123456789abcdef';
const LOCKED = factsAnswer('lock_holder=unattended-upgr (pid 812)');
const BUSY = factsAnswer('job=feedfeedfeedfeed-apply-1');
const WAITS_FOR_LOCK = 'ospatch: waiting for /var/lib/dpkg/lock-frontend, held by apt-get (pid 7)\n';

function attempt(answers: Answer[], carried?: OthersOptions['carried']) {
  const now = (): number => clock;
  const seen: unknown[] = [];
  const others = new OthersAtWork({
    now,
    hold: new Hold({ kind: 'others', holdMs: 30_000, now }),
    onChange: (one) => seen.push(one),
    ...(carried === undefined ? {} : { carried }),
  });
  return { session: { ...fakeSession(answers, { now }), others }, seen };
}

function preflight(answers: Answer[], carried?: OthersOptions['carried'], lockTimeoutMs = 2 * HOUR_MS) {
  const { session, seen } = attempt(answers, carried);
  const options = { token: TOKEN, firstJob: 10, withoutDrain: false, lockTimeoutMs };
  return { session, seen, end: preflightNode(session, options) };
}

describe('src/node/others-at-work', () => {
  it('ends a preflight that waits for a lock, says whose it is, and looks again within a minute', async () => {
    const started = clock;
    const { end, seen } = preflight([LOCKED]);
    const error: unknown = await end.catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: 'RetryLater', waitingFor: 'package lock held by unattended-upgr (pid 812)' });
    expect((error as RetryLater).delayMs).toBeLessThanOrEqual(60_000);
    expect(clock - started).toBeLessThan(60_000);
    expect(seen.at(-1)).toMatchObject({ by: 'lock', ms: clock - started });
  });

  it('ends a preflight that waits for a job of an earlier run', async () => {
    await expect(preflight([BUSY]).end).rejects.toMatchObject({
      name: 'RetryLater',
      waitingFor: 'the job feedfeedfeedfeed-apply-1 on the node to end',
    });
  });

  it('gives up on a lock after lockTimeout, counting what attempts before this one have waited', async () => {
    await expect(preflight([LOCKED], { by: 'lock', ms: 2 * HOUR_MS }).end).rejects.toMatchObject({
      type: 'Busy',
      message: expect.stringContaining('has been held by unattended-upgr (pid 812) for 2h') as string,
    });
  });

  it('does not count for a lock what was waited for a job', async () => {
    await expect(preflight([LOCKED], { by: 'job', ms: 5 * HOUR_MS }).end).rejects.toMatchObject({ name: 'RetryLater' });
  });

  it('lets the job of a plan wait for a lock in its place for a moment only, and for all of the time once', async () => {
    const gaveUp = jobAnswer('done rc=95', {
      log: 'ospatch: gave up waiting: /var/lib/dpkg/lock was held by apt (pid 1) for 0 min\n',
    });
    const first = preflight([factsAnswer(), gaveUp]);
    await expect(first.end).rejects.toMatchObject({ name: 'RetryLater' });
    expect(first.session.transport.calls[1]?.stdin).toContain('lock_wait=30\n');
    const next = preflight([factsAnswer(), gaveUp], { by: 'lock', ms: 45_000 });
    await expect(next.end).rejects.toMatchObject({ type: 'Busy' });
    expect(next.session.transport.calls[1]?.stdin).toContain('lock_wait=7200\n');
  });

  it('ends an attempt that follows a job which waits for a lock, and goes on following it in the next one', async () => {
    const job = { token: TOKEN, phase: 'apply', number: 1 } as const;
    const waiting = jobAnswer('running', { log: WAITS_FOR_LOCK });
    const quiet = jobAnswer('running', { size: WAITS_FOR_LOCK.length });
    const { session } = attempt([waiting, quiet]);
    await expect(followJob(session, job, { waitSeconds: 0 })).rejects.toMatchObject({
      name: 'RetryLater',
      waitingFor: 'package lock held by apt-get (pid 7)',
      wait: { kind: 'others', maxDelayMs: 15_000 },
    });
    const done = jobAnswer('done rc=0', { log: `${WAITS_FOR_LOCK}Setting up a\n`, size: WAITS_FOR_LOCK.length + 13 });
    const next = attempt([waiting, done]);
    expect(await followJob(next.session, job, { waitSeconds: 0 })).toMatchObject({ state: 'done', rc: 0 });
  });

  it('follows a job without end as long as the job works', async () => {
    const job = { token: TOKEN, phase: 'apply', number: 1 } as const;
    const log = `${WAITS_FOR_LOCK}Unpacking a\n`;
    const started = clock;
    const working = Array.from({ length: 1_000 }, () => jobAnswer('running', { size: log.length }));
    const { session } = attempt([
      jobAnswer('running', { log }),
      ...working,
      jobAnswer('done rc=0', { size: log.length }),
    ]);
    expect(await followJob(session, job, { waitSeconds: 0 })).toMatchObject({ state: 'done' });
    expect(clock - started).toBeGreaterThan(60_000);
  });
});
