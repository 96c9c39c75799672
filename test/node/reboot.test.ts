import { rebootNode } from '../../src/node/reboot';
import type { Answer } from './fake-node';
import { fakeSession, factsAnswer, unreachableNode } from './fake-node';

let clock = 0;
jest.mock('node:timers/promises', () => ({
  setTimeout: (ms: number) => {
    clock += ms;
    return Promise.resolve();
  },
}));

const OLD = '00000000-0000-0000-0000-000000000000';
const NEW = '22222222-2222-2222-2222-222222222222';
const NEWER = '33333333-3333-3333-3333-333333333333';
const REBOOT_REQUESTED = `ospatch 1 state=rebooting boot=${OLD}\n`;
const old = factsAnswer(`boot_id=${OLD}`);
const back = (...lines: string[]) => factsAnswer(`boot_id=${NEW}`, ...lines);

function reboot(answers: Answer[]) {
  const session = fakeSession(answers, { now: () => clock, limitMs: 24 * 3600_000 });
  return { session, end: rebootNode(session, OLD) };
}

describe('src/node/reboot', () => {
  it('confirms a reboot only by a changed boot id, and opens a new connection for every poll', async () => {
    const { end, session } = reboot([REBOOT_REQUESTED, old, old, unreachableNode(), unreachableNode(), back(), back()]);
    expect((await end).bootId).toBe(NEW);
    expect(session.transport.closed).toBe(6);
  });

  it('is not requested after the window, unless it was requested before', async () => {
    const late = (answers: Answer[]) => {
      const session = fakeSession(answers, { now: () => clock, limitMs: 24 * 3600_000 });
      return { session, end: rebootNode(session, OLD, { beginByMs: clock }) };
    };
    const { session, end } = late([old]);
    await expect(end).rejects.toMatchObject({ type: 'WindowOver' });
    expect(session.transport.calls.some(({ command }) => command.includes(' reboot '))).toBe(false);
    const requested = factsAnswer(`boot_id=${OLD}`, 'reboot_rc=0', 'reboot_way=stopping');
    expect((await late([requested, REBOOT_REQUESTED, back(), back(), back()]).end).bootId).toBe(NEW);
  });

  it('waits until systemd has settled', async () => {
    const { end, session } = reboot([
      REBOOT_REQUESTED,
      back('system_state=starting'),
      back('system_state=starting'),
      back(),
      back(),
    ]);
    expect((await end).systemState).toBe('running');
    expect(session.shown).toContainEqual({ waitingFor: 'systemd on the node, which is starting' });
  });

  it('fails as RebootFailed when the node keeps answering with the old boot id for five minutes', async () => {
    const started = clock;
    await expect(reboot([REBOOT_REQUESTED, old]).end).rejects.toMatchObject({ type: 'RebootFailed' });
    expect(clock - started).toBeGreaterThan(5 * 60_000);
    expect(clock - started).toBeLessThan(6 * 60_000);
  });

  it('returns a degraded system with its failed units', async () => {
    const degraded = back('system_state=degraded', 'failed_unit=new.service');
    const facts = await reboot([REBOOT_REQUESTED, degraded, degraded]).end;
    expect(facts).toMatchObject({ systemState: 'degraded', failedUnits: ['new.service'] });
  });

  it('fails as Unhealthy when systemd does not settle within ten minutes', async () => {
    await expect(reboot([REBOOT_REQUESTED, back('system_state=starting')]).end).rejects.toMatchObject({
      type: 'Unhealthy',
    });
  });

  it('waits again when the node reboots once more, and fails on endless reboots', async () => {
    const again = factsAnswer(`boot_id=${NEWER}`);
    expect((await reboot([REBOOT_REQUESTED, back(), again, again]).end).bootId).toBe(NEWER);
    const loop = Array.from({ length: 20 }, (_, i) =>
      factsAnswer(`boot_id=4444444${i % 10}-4444-4444-4444-44444444444${i % 10}`),
    );
    await expect(reboot([REBOOT_REQUESTED, ...loop]).end).rejects.toMatchObject({
      message: expect.stringContaining('keeps rebooting'),
    });
  });

  it('does not take a system that is shutting down again as the result', async () => {
    const again = factsAnswer(`boot_id=${NEWER}`);
    const { end } = reboot([
      REBOOT_REQUESTED,
      back(),
      back('system_state=stopping'),
      unreachableNode(),
      again,
      again,
      again,
    ]);
    expect((await end).bootId).toBe(NEWER);
  });

  it('fails within seconds with the output of a failed reboot command', async () => {
    const started = clock;
    const failed = factsAnswer(`boot_id=${OLD}`, 'reboot_rc=1', 'reboot_said=Operation inhibited by "backup"');
    await expect(reboot([REBOOT_REQUESTED, old, failed]).end).rejects.toMatchObject({
      type: 'RebootFailed',
      message: 'w-1 was not rebooted: the reboot command exited with code 1: Operation inhibited by "backup"',
    });
    expect(clock - started).toBeLessThan(10_000);
  });

  it('does not report a reboot command as failed that the shutdown killed', async () => {
    const ended = factsAnswer(`boot_id=${OLD}`, 'reboot_rc=143', 'system_state=stopping');
    expect((await reboot([REBOOT_REQUESTED, ended, ended, ended, unreachableNode(), back(), back()]).end).bootId).toBe(
      NEW,
    );
  });

  it.each([
    [['reboot_rc=0', 'reboot_way=none'], 'the reboot command exited with code 0, but the node is not shutting down'],
    [
      ['reboot_rc=0', 'reboot_said=W: molly-guard', 'reboot_way=none', 'reboot_why=reboot.target is masked'],
      'the reboot command exited with code 0 and printed: W: molly-guard, but the node is not shutting down (reboot.target is masked)',
    ],
    [
      ['reboot_rc=never', 'reboot_said=status=203/EXEC', 'reboot_way=none'],
      'the reboot command was not run (status=203/EXEC)',
    ],
    [
      ['reboot_rc=0', 'reboot_way=stuck', 'system_state=stopping'],
      'its services were stopped, and then it did not go down: systemd is stopping and runs no job',
    ],
  ])('reports a reboot without effect within a minute: %j', async (lines, said) => {
    const started = clock;
    await expect(reboot([REBOOT_REQUESTED, old, factsAnswer(`boot_id=${OLD}`, ...lines)]).end).rejects.toMatchObject({
      type: 'RebootFailed',
      message: `w-1 was not rebooted: ${said}`,
    });
    expect(clock - started).toBeLessThan(60_000);
  });

  it('waits after a successful custom command, because the reboot may come from outside', async () => {
    const ended = factsAnswer(`boot_id=${OLD}`, 'reboot_rc=0', 'reboot_way=none');
    const session = fakeSession([REBOOT_REQUESTED, ...Array.from({ length: 12 }, () => ended), back(), back()], {
      now: () => clock,
      limitMs: 24 * 3600_000,
    });
    expect((await rebootNode(session, OLD, { command: 'ipmi' })).bootId).toBe(NEW);
  });

  it('waits for a node that shuts down slowly, shows the cause, and fails after half an hour', async () => {
    const slow = factsAnswer(
      `boot_id=${OLD}`,
      'reboot_rc=0',
      'reboot_way=stopping',
      'reboot_why=db.service (stop)',
      'system_state=stopping',
    );
    const { end, session } = reboot([
      REBOOT_REQUESTED,
      ...Array.from({ length: 100 }, () => slow),
      unreachableNode(),
      back(),
      back(),
    ]);
    expect((await end).bootId).toBe(NEW);
    expect(session.shown).toContainEqual({ waitingFor: 'the node to go down, which waits for db.service (stop)' });
    await expect(reboot([REBOOT_REQUESTED, slow]).end).rejects.toMatchObject({
      type: 'RebootFailed',
      message: 'w-1 has not gone down 30 min after the reboot was requested: it waits for db.service (stop)',
      details: { goingDown: true },
    });
  });

  it('limits the wait for an endless job, and names the job', async () => {
    const started = clock;
    await expect(reboot([`ospatch 1 state=busy holder=feed-apply-1 boot=${OLD}\n`]).end).rejects.toMatchObject({
      type: 'Busy',
      message: 'the ospatch job feed-apply-1 has not ended on w-1 within 6h; it was not stopped',
    });
    expect(clock - started).toBeLessThan(7 * 3600_000);
  });

  it('waits for a running job, and only polls when the reboot has already happened', async () => {
    const busy = `ospatch 1 state=busy holder=x boot=${OLD}\n`;
    expect((await reboot([busy, REBOOT_REQUESTED, back(), back()]).end).bootId).toBe(NEW);
    expect((await reboot([`ospatch 1 state=rebooted boot=${NEW}\n`, back(), back()]).end).bootId).toBe(NEW);
  });
});
