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
const asked = `ospatch 1 state=rebooting boot=${OLD}\n`;
const old = factsAnswer(`boot_id=${OLD}`);
const back = (...lines: string[]) => factsAnswer(`boot_id=${NEW}`, ...lines);

function reboot(answers: Answer[]) {
  const session = fakeSession(answers, { now: () => clock, limitMs: 24 * 3600_000 });
  return { session, end: rebootNode(session, OLD) };
}

describe('src/node/reboot', () => {
  it('believes in the reboot only when the boot id has changed, and logs in anew for every look', async () => {
    const { end, session } = reboot([asked, old, old, unreachableNode(), unreachableNode(), back(), back()]);
    expect((await end).bootId).toBe(NEW);
    expect(session.transport.closed).toBe(6);
  });

  it('waits until systemd has settled', async () => {
    const { end, session } = reboot([
      asked,
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
    await expect(reboot([asked, old]).end).rejects.toMatchObject({ type: 'RebootFailed' });
    expect(clock - started).toBeGreaterThan(5 * 60_000);
    expect(clock - started).toBeLessThan(6 * 60_000);
  });

  it('comes back with a degraded system and names its failed units', async () => {
    const degraded = back('system_state=degraded', 'failed_unit=new.service');
    const facts = await reboot([asked, degraded, degraded]).end;
    expect(facts).toMatchObject({ systemState: 'degraded', failedUnits: ['new.service'] });
  });

  it('fails as Unhealthy when systemd does not settle within ten minutes', async () => {
    await expect(reboot([asked, back('system_state=starting')]).end).rejects.toMatchObject({ type: 'Unhealthy' });
  });

  it('waits again when the node reboots once more, and fails when it does not stop', async () => {
    const again = factsAnswer(`boot_id=${NEWER}`);
    expect((await reboot([asked, back(), again, again]).end).bootId).toBe(NEWER);
    const loop = Array.from({ length: 20 }, (_, i) =>
      factsAnswer(`boot_id=4444444${i % 10}-4444-4444-4444-44444444444${i % 10}`),
    );
    await expect(reboot([asked, ...loop]).end).rejects.toMatchObject({
      message: expect.stringContaining('keeps rebooting'),
    });
  });

  it('does not take a system that is on its way down again for the end', async () => {
    const again = factsAnswer(`boot_id=${NEWER}`);
    const { end } = reboot([asked, back(), back('system_state=stopping'), unreachableNode(), again, again, again]);
    expect((await end).bootId).toBe(NEWER);
  });

  it('is told within seconds with the words of the command that has failed', async () => {
    const started = clock;
    const failed = factsAnswer(`boot_id=${OLD}`, 'reboot_rc=1', 'reboot_said=Operation inhibited by "backup"');
    await expect(reboot([asked, old, failed]).end).rejects.toMatchObject({
      type: 'RebootFailed',
      message: 'w-1 was not rebooted: the reboot command exited with code 1: Operation inhibited by "backup"',
    });
    expect(clock - started).toBeLessThan(10_000);
  });

  it('takes a command that was ended by the shutdown itself for no failure', async () => {
    const ended = factsAnswer(`boot_id=${OLD}`, 'reboot_rc=143', 'system_state=stopping');
    expect((await reboot([asked, ended, ended, ended, unreachableNode(), back(), back()]).end).bootId).toBe(NEW);
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
  ])('tells within a minute of a reboot without effect: %j', async (lines, said) => {
    const started = clock;
    await expect(reboot([asked, old, factsAnswer(`boot_id=${OLD}`, ...lines)]).end).rejects.toMatchObject({
      type: 'RebootFailed',
      message: `w-1 was not rebooted: ${said}`,
    });
    expect(clock - started).toBeLessThan(60_000);
  });

  it('waits for a program of the administrator that has ended well, for the reboot may come from outside', async () => {
    const ended = factsAnswer(`boot_id=${OLD}`, 'reboot_rc=0', 'reboot_way=none');
    const session = fakeSession([asked, ...Array.from({ length: 12 }, () => ended), back(), back()], {
      now: () => clock,
      limitMs: 24 * 3600_000,
    });
    expect((await rebootNode(session, OLD, 'ipmi')).bootId).toBe(NEW);
  });

  it('waits for a node that goes down slowly, shows what for, and gives it up after half an hour', async () => {
    const slow = factsAnswer(
      `boot_id=${OLD}`,
      'reboot_rc=0',
      'reboot_way=stopping',
      'reboot_why=db.service (stop)',
      'system_state=stopping',
    );
    const { end, session } = reboot([
      asked,
      ...Array.from({ length: 100 }, () => slow),
      unreachableNode(),
      back(),
      back(),
    ]);
    expect((await end).bootId).toBe(NEW);
    expect(session.shown).toContainEqual({ waitingFor: 'the node to go down, which waits for db.service (stop)' });
    await expect(reboot([asked, slow]).end).rejects.toMatchObject({
      type: 'RebootFailed',
      message: 'w-1 has not gone down 30 min after the reboot was requested: it waits for db.service (stop)',
      details: { goingDown: true },
    });
  });

  it('does not wait for ever for a job that never ends, and says which', async () => {
    const started = clock;
    await expect(reboot([`ospatch 1 state=busy holder=feed-apply-1 boot=${OLD}\n`]).end).rejects.toMatchObject({
      type: 'Busy',
      message: 'the ospatch job feed-apply-1 has not ended on w-1 within 6h; it was not stopped',
    });
    expect(clock - started).toBeLessThan(7 * 3600_000);
  });

  it('waits for a job that still runs, and only looks when the reboot has happened already', async () => {
    const busy = `ospatch 1 state=busy holder=x boot=${OLD}\n`;
    expect((await reboot([busy, asked, back(), back()]).end).bootId).toBe(NEW);
    expect((await reboot([`ospatch 1 state=rebooted boot=${NEW}\n`, back(), back()]).end).bootId).toBe(NEW);
  });
});
