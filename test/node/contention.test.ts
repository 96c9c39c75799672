/** Waits for others that work on the node, in attempts that release their slot. */
import { followJob } from '../../src/node/job/follow';
import type { ContentionOptions } from '../../src/node/contention';
import { ContentionTracker } from '../../src/node/contention';
import { preflightNode } from '../../src/node/preflight';
import type { RetryLater } from '../../src/retry/slot-release';
import { Hold } from '../../src/retry/slot-release';
import type { Answer } from './fake-node';
import { factsAnswer, fakeSession, jobAnswer } from './fake-node';
import { defined } from '../../src/domain/shared/defined';

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
const PLANNED = jobAnswer('done rc=0', { answer: `digest ${'a'.repeat(64)}\n` });
const WAITS_FOR_LOCK = 'ospatch: waiting for /var/lib/dpkg/lock-frontend, held by apt-get (pid 7)\n';

function attempt(answers: Answer[], carried?: ContentionOptions['carried']) {
  const now = (): number => clock;
  const seen: unknown[] = [];
  const others = new ContentionTracker({
    now,
    hold: new Hold({ kind: 'others', holdMs: 30_000, now }),
    onChange: (one) => seen.push(one),
    ...defined({ carried }),
  });
  return { session: { ...fakeSession(answers, { now }), others }, seen };
}

function preflight(answers: Answer[], carried?: ContentionOptions['carried'], lockTimeoutMs = 2 * HOUR_MS) {
  const { session, seen } = attempt(answers, carried);
  const options = { token: TOKEN, firstJob: 10, withoutDrain: false, lockTimeoutMs };
  return { session, seen, end: preflightNode(session, options) };
}

describe('src/node/contention', () => {
  it('ends a preflight that waits for a lock, names the holder, and polls again within a minute', async () => {
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

  it('fails on a lock after lockTimeout, counting the waits of earlier attempts', async () => {
    await expect(preflight([LOCKED], { by: 'lock', ms: 2 * HOUR_MS }).end).rejects.toMatchObject({
      type: 'Busy',
      message: expect.stringContaining('has been held by unattended-upgr (pid 812) for 2h') as string,
    });
  });

  it('does not count the wait for a job as a wait for a lock', async () => {
    await expect(preflight([LOCKED], { by: 'job', ms: 5 * HOUR_MS }).end).rejects.toMatchObject({ name: 'RetryLater' });
  });

  describe('while the job of a plan waits for a lock', () => {
    const waiting = jobAnswer('running', { log: WAITS_FOR_LOCK });
    const quiet = jobAnswer('running', { size: WAITS_FOR_LOCK.length });
    const own = factsAnswer(`job=${TOKEN}-plan-10`, 'lock_holder=apt-get (pid 7)');
    const starts = ({ transport }: ReturnType<typeof attempt>['session']) =>
      transport.calls.flatMap(({ command }) => / start (\S+-plan-\d+) plan$/.exec(command)?.[1] ?? []);

    it('ends the attempt, and follows the same job in the next one', async () => {
      const first = preflight([factsAnswer(), waiting, quiet]);
      await expect(first.end).rejects.toMatchObject({
        name: 'RetryLater',
        waitingFor: 'package lock held by apt-get (pid 7)',
        wait: { kind: 'others', maxDelayMs: 15_000 },
      });
      expect(first.session.jobs).toEqual({ plan: 10 });
      // The job itself waits for the full time.
      expect(first.session.transport.calls[1]?.stdin).toContain('lock_wait=7200\n');
      const { session } = attempt([own, waiting, PLANNED], { by: 'lock', ms: 45_000 });
      session.jobs = { ...first.session.jobs };
      await preflightNode(session, { token: TOKEN, firstJob: 20, withoutDrain: false });
      expect([starts(first.session), starts(session)]).toEqual([[`${TOKEN}-plan-10`], [`${TOKEN}-plan-10`]]);
      expect(session.jobs).toEqual({});
    });

    it('accepts the plan that finished during the pause, unless others changed packages since or the plan is old', async () => {
      const old = PLANNED.replace('state=done', 'state=done ended=301');
      const done = [
        [factsAnswer(), PLANNED],
        [factsAnswer(), old, PLANNED],
        [BUSY, factsAnswer(), PLANNED],
      ].map(async (answers) => {
        const { session } = attempt(answers, { by: 'lock', ms: 45_000 });
        session.jobs = { plan: 10 };
        await preflightNode(session, { token: TOKEN, firstJob: 20, withoutDrain: false });
        return starts(session).map((job) => job.slice(-2));
      });
      expect(await Promise.all(done)).toEqual([['10'], ['10', '20'], ['20']]);
    });
  });

  it('reports the repair that an earlier attempt began', async () => {
    const repaired = jobAnswer('done rc=0', { answer: '- a amd64 1\n+ a amd64 2\n' });
    const { session } = attempt([factsAnswer(`job=${TOKEN}-repair-10`), repaired, factsAnswer(), PLANNED]);
    session.jobs = { repair: 10 };
    const report = await preflightNode(session, { token: TOKEN, firstJob: 20, withoutDrain: false });
    expect(report.repaired?.changes).toMatchObject([{ name: 'a', from: '1', to: '2' }]);
    expect(session.transport.calls[1]?.command).toContain(`start ${TOKEN}-repair-10 repair`);
  });

  it('ends an attempt whose node cannot query systemd, and fails after an hour of such attempts', async () => {
    const job = { token: TOKEN, phase: 'apply', number: 1 } as const;
    const silent = jobAnswer('unknown');
    const { session, seen } = attempt([silent]);
    await expect(followJob(session, job, { waitSeconds: 0 })).rejects.toMatchObject({
      name: 'RetryLater',
      waitingFor: 'systemd on the node to answer',
    });
    expect(seen.at(-1)).toMatchObject({ by: 'systemd' });
    const last = attempt([silent], { by: 'systemd', ms: HOUR_MS + 1 });
    await expect(followJob(last.session, job, { waitSeconds: 0 })).rejects.toMatchObject({ type: 'Unhealthy' });
  });

  it('ends an attempt that follows a job waiting for a lock, and follows that job in the next one', async () => {
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

  it('follows a working job without limit', async () => {
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
