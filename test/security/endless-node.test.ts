/** Nodes that answer for ever and never finish: each step ends, and its run is told before. */
import type { NodeStep } from '../../src/domain/node/report';
import { defined } from '../../src/domain/shared/defined';
import { HOUR_MS } from '../../src/domain/shared/time-units';
import { followJob } from '../../src/node/job/follow';
import { preflightNode } from '../../src/node/preflight';
import { rebootNode } from '../../src/node/reboot';
import type { Session } from '../../src/node/session';
import { StepLimit } from '../../src/node/step-limit';
import type { Answer } from '../node/fake-node';
import { factsAnswer, fakeSession, jobAnswer, result, unreachableNode } from '../node/fake-node';

let clock = 0;
jest.mock('node:timers/promises', () => ({
  setTimeout: (ms: number) => {
    clock += ms;
    return Promise.resolve();
  },
}));

const JOB = { token: '0123456789abcdef', phase: 'apply', number: 1 } as const;
const BOOT = '11111111-1111-1111-1111-111111111111';
const LIMIT_MS = 54 * HOUR_MS;

/** Keeps the number of calls down. */
const ANSWERS_AFTER_MS = 10_000;
const MAX_TURNS = 40_000;

/** The answers in turn, for ever. */
function endless(answers: Answer[], step: NodeStep, noticeDue?: boolean) {
  let turn = 0;
  const start = clock;
  const session = fakeSession([''], { now: () => clock, limitMs: 24 * HOUR_MS });
  const exec = session.transport.exec.bind(session.transport);
  session.transport.exec = async (command, options) => {
    await exec(command, options);
    clock += ANSWERS_AFTER_MS;
    if (turn > MAX_TURNS) throw new Error('the step does not end');
    const answer = answers[turn++ % answers.length] ?? '';
    if (answer instanceof Error) throw answer;
    return result(answer);
  };
  const limited: Session = {
    ...session,
    ...defined({ transaction: noticeDue === undefined ? undefined : transaction(!noticeDue) }),
    limit: new StepLimit({ node: 'w-1', step, limitMs: LIMIT_MS, noticeDue, elapsedMs: () => clock - start }),
  };
  return { session: limited, calls: () => turn, elapsedMs: () => clock - start };
}

function transaction(isReported: boolean): NonNullable<Session['transaction']> {
  return { followedMs: 0, isReported, note: () => undefined };
}

const busy = 'ospatch 1 state=busy holder=feedfeedfeedfeed-apply-1 boot=x\n';
const running = jobAnswer('running');
const unknown = jobAnswer('unknown');
const waiting = jobAnswer('running', { log: 'ospatch: waiting for /var/lib/dpkg/lock, held by apt (pid 1)\n' });
const probe = (state: string, boot = BOOT): string => `ospatch 1 probe\nboot_id=${boot}\nsystem_state=${state}\nend\n`;

const JOBS: [string, Answer[]][] = [
  ['busy and unknown by turns', [busy, unknown]],
  ['busy, unknown and running by turns', [busy, unknown, running]],
  ['running and out of reach by turns', [running, unreachableNode()]],
  ['running and busy by turns', [running, busy]],
  ['waiting for a lock for ever', [waiting]],
];

describe('a node that never finishes', () => {
  it.each(JOBS)('and is %s is reported to its run once, and then given up', async (_, answers) => {
    const told = endless(answers, 'apply', true);
    const notice = { name: 'UnreachableNotice', jobMs: expect.any(Number) as number };
    await expect(followJob(told.session, JOB, { waitSeconds: 0 })).rejects.toMatchObject(notice);
    expect(told.elapsedMs()).toBeLessThan(6.1 * HOUR_MS);
  });

  it.each([
    ['busy and unknown by turns', [busy, unknown]],
    ['waiting for a lock for ever', [waiting]],
  ] as [string, Answer[]][])('and is %s fails its step in the end', async (_, answers) => {
    const { session, elapsedMs } = endless(answers, 'apply', false);
    await expect(followJob(session, JOB, { waitSeconds: 0 })).rejects.toMatchObject({
      type: 'Busy',
      details: { stillRuns: true },
    });
    expect(elapsedMs()).toBeLessThan(LIMIT_MS + HOUR_MS);
  });

  it.each([
    ['keeps its boot id and is out of reach by turns', [probe('running'), unreachableNode()]],
    ['starts and stops by turns', [probe('running', 'b'), probe('stopping', 'b')]],
  ])('and %s is reported to its run during the reboot', async (_, answers) => {
    const { session, calls, elapsedMs } = endless(answers, 'reboot', true);
    jest.spyOn(session.node, 'reboot').mockResolvedValue({ state: 'rebooting', holder: '' });
    await expect(rebootNode(session, BOOT)).rejects.toMatchObject({ name: 'UnreachableNotice' });
    expect(calls()).toBeGreaterThan(100);
    expect(elapsedMs()).toBeLessThan(6.1 * HOUR_MS);
  });

  it('and shows another job, then a lock, then another job, is given up before anything is changed', async () => {
    const job = factsAnswer('job=feedfeedfeedfeed-apply-1');
    const lock = factsAnswer('lock_holder=apt (pid 7)');
    const { session, elapsedMs } = endless([job, lock], 'preflight');
    const options = { token: JOB.token, firstJob: 1, withoutDrain: true };
    await expect(preflightNode(session, options)).rejects.toMatchObject({
      type: 'Busy',
      message: 'w-1 answers, but its step preflight has not ended within 2d6h',
    });
    expect(elapsedMs()).toBeLessThan(LIMIT_MS + HOUR_MS);
  });
});
