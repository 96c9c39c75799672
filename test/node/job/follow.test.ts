import { followJob } from '../../../src/node/job/follow';
import type { Answer } from '../fake-node';
import { fakeSession, jobAnswer, unreachableNode } from '../fake-node';

let clock = 0;
jest.mock('node:timers/promises', () => ({
  setTimeout: (ms: number) => {
    clock += ms;
    return Promise.resolve();
  },
}));

const JOB = { token: '0123456789abcdef', phase: 'apply', number: 1 } as const;

function follow(answers: Answer[], onLine?: (line: string) => void, beginByMs?: number) {
  const session = fakeSession(answers, { now: () => clock });
  const commands = () => session.transport.calls.map(({ command }) => command.replace(/^\S+ /, ''));
  return { session, commands, end: followJob(session, JOB, { waitSeconds: 0, beginByMs }, onLine) };
}

describe('src/node/job/follow', () => {
  it('polls from the end of the read log until the job is done', async () => {
    const lines: string[] = [];
    const { end, commands } = follow(
      [
        jobAnswer('running', { log: 'one\ntw' }),
        jobAnswer('running', { log: 'o\n', size: 8 }),
        jobAnswer('done rc=0', { log: 'three\n', size: 14, answer: 'R' }),
      ],
      (line) => lines.push(line),
    );
    expect(await end).toEqual({
      state: 'done',
      rc: 0,
      result: 'R',
      log: 'one\ntwo\nthree\n',
      logBytes: 14,
      endedAgo: 0,
    });
    expect(lines).toEqual(['one', 'two', 'three']);
    expect(commands()).toEqual([
      'start 0123456789abcdef-apply-1 apply',
      'poll 0123456789abcdef-apply-1 6 65536 2',
      'poll 0123456789abcdef-apply-1 8 65536 2',
    ]);
  });

  it('keeps polling after a lost connection, and does not start the job again', async () => {
    const { end, commands } = follow([
      jobAnswer('running'),
      unreachableNode(),
      unreachableNode(),
      jobAnswer('running'),
      jobAnswer('done rc=0'),
    ]);
    expect(await end).toMatchObject({ state: 'done', rc: 0 });
    expect(commands().filter((command) => command.startsWith('start')).length).toBe(1);
  });

  it('does not begin a job after its window, however long the node was unreachable or busy before', async () => {
    const busy = 'ospatch 1 state=busy holder=feedfeedfeedfeed-apply-1 boot=x\n';
    for (const before of [[], [unreachableNode(), unreachableNode()], [busy, busy]]) {
      const late = clock + (before.length === 0 ? 0 : 1);
      const { end, commands } = follow([...before, jobAnswer('absent')], undefined, late);
      await expect(end).rejects.toMatchObject({ type: 'WindowOver' });
      expect(commands().at(-1)).toMatch(/^poll /);
    }
  });

  it('follows a job to its end that has begun in its window', async () => {
    const { end } = follow([jobAnswer('running'), jobAnswer('running'), jobAnswer('done rc=0')], undefined, clock);
    expect(await end).toMatchObject({ state: 'done', rc: 0 });
    const inTime = follow([jobAnswer('running'), jobAnswer('done rc=0')], undefined, clock + 60_000);
    expect(await inTime.end).toMatchObject({ state: 'done', rc: 0 });
    expect(inTime.commands()[0]).toMatch(/^start /);
  });

  it('never treats `unknown` as dead', async () => {
    const { end } = follow([
      jobAnswer('running'),
      ...Array.from({ length: 30 }, () => jobAnswer('unknown')),
      jobAnswer('done rc=0'),
    ]);
    expect(await end).toMatchObject({ state: 'done' });
  });

  it.each([
    ['ospatch 1 state=busy holder=feedfeedfeedfeed-apply-1 boot=x\n', 'Busy', 'feedfeedfeedfeed-apply-1'],
    [jobAnswer('running'), 'Busy', '0123456789abcdef-apply-1'],
    [jobAnswer('unknown'), 'Unhealthy', 'has not reported for 1h'],
  ])('limits its wait, and polls at most four times a second (%#)', async (answer, type, said) => {
    const started = clock;
    const { end, session } = follow([answer]);
    await expect(end).rejects.toMatchObject({ type, message: expect.stringContaining(said) });
    expect(session.transport.calls.length).toBeLessThanOrEqual((clock - started) / 250 + 2);
  });

  it('reports an endless transaction once, across calls, and fails while the transaction still runs', async () => {
    const followed: number[] = [];
    const run = (followedMs: number, isReported: boolean) => {
      const transaction = { followedMs, isReported, note: (ms: number) => followed.push(ms) };
      return followJob({ ...fakeSession([jobAnswer('running')], { now: () => (clock += 20_000) }), transaction }, JOB, {
        waitSeconds: 0,
      });
    };
    const HOUR_MS = 3_600_000;
    const notice = await run(0, false).catch((error: unknown) => error);
    expect(notice).toMatchObject({
      name: 'UnreachableNotice',
      message: expect.stringContaining('has not ended on w-1'),
    });
    expect((notice as { jobMs: number }).jobMs).toBeGreaterThan(6 * HOUR_MS);
    expect(followed.at(-1)).toBe((notice as { jobMs: number }).jobMs);
    const started = clock;
    await expect(run(6 * HOUR_MS, true)).rejects.toMatchObject({ type: 'Busy', details: { stillRuns: true } });
    expect(clock - started).toBeGreaterThan(17.9 * HOUR_MS);
    // The next call continues the count of an activity that was lost.
    const before = clock;
    await expect(run(5 * HOUR_MS, false)).rejects.toMatchObject({ name: 'UnreachableNotice' });
    expect(clock - before).toBeLessThan(1.1 * HOUR_MS);
  });

  it.each(['lost-reboot', 'lost-killed'] as const)('reports %s as interrupted', async (how) => {
    expect(await follow([jobAnswer('running'), jobAnswer(how)]).end).toEqual({ state: 'interrupted', how });
  });

  it('waits for another job on the node and names that job', async () => {
    const { end, session } = follow([
      'ospatch 1 state=busy holder=feedfeedfeedfeed-apply-1 boot=x\n',
      jobAnswer('done rc=0'),
    ]);
    expect(await end).toMatchObject({ state: 'done' });
    expect(session.shown).toContainEqual({ waitingFor: 'another job on the node to end (feedfeedfeedfeed-apply-1)' });
  });

  it('restarts a job that was accepted but not executed, and fails when no start succeeds', async () => {
    const { end, commands } = follow([jobAnswer('claimed'), jobAnswer('absent'), jobAnswer('done rc=0')]);
    expect(await end).toMatchObject({ state: 'done' });
    expect(commands().every((command) => command.startsWith('start'))).toBe(true);
    await expect(follow([jobAnswer('claimed')]).end).rejects.toMatchObject({ type: 'HelperProtocol' });
  });

  it('fetches the end of a long log of a failed job', async () => {
    const { end, commands } = follow([
      jobAnswer('done rc=100', { log: 'start\n', size: 1_000_000 }),
      jobAnswer('done rc=100', { log: 'cut-off line\nE: the end\n', size: 1_000_000 }),
    ]);
    expect(await end).toMatchObject({ rc: 100, log: 'E: the end\n' });
    expect(commands()[1]).toBe(`poll 0123456789abcdef-apply-1 ${1_000_000 - 65_536} 65536 0`);
  });
});
