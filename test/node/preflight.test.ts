import type { PackagePolicy } from '../../src/domain/spec/package-policy';
import { DEFAULT_PACKAGE_POLICY } from '../../src/domain/spec/package-policy';
import { preflightNode } from '../../src/node/preflight';
import type { Answer } from './fake-node';
import { acceptable } from './support';
import { fakeSession, factsAnswer, jobAnswer } from './fake-node';

jest.mock('node:timers/promises', () => ({ setTimeout: () => Promise.resolve() }));

const PLAN = `digest ${'a'.repeat(64)}\n`;
const plan = jobAnswer('done rc=0', { answer: PLAN });
const repaired = jobAnswer('done rc=0', { answer: '' });
const unreachableMirror = jobAnswer('done rc=100', { log: 'E: Failed to fetch http://mirror/x\n' });

function preflight(answers: Answer[]) {
  const session = fakeSession(answers);
  const commands = () => session.transport.calls.map(({ command }) => command.replace(/^\S+ /, ''));
  const options = { token: '0123456789abcdef', firstJob: 1010, withoutDrain: false };
  return { session, commands, end: preflightNode(session, options).then(acceptable) };
}

describe('src/node/preflight', () => {
  it('needs two calls on a healthy node: facts, and one job that refreshes and plans', async () => {
    const { end, commands, session } = preflight([factsAnswer(), plan]);
    expect((await end).plan).toEqual({ changes: [], keptBack: [], warnings: [], digest: 'a'.repeat(64) });
    expect(commands()).toEqual(['facts', 'start 0123456789abcdef-plan-1010 plan']);
    expect(session.transport.calls[1]?.stdin).toContain('refresh=yes');
  });

  it('treats a node that is shutting down as unreachable, since its state is transient', async () => {
    const { end, commands } = preflight([factsAnswer('system_state=stopping'), factsAnswer(), plan]);
    await end;
    expect(commands()).toEqual(['facts', 'facts', 'start 0123456789abcdef-plan-1010 plan']);
  });

  it('passes the package policy to the helper, with nothing for the defaults', async () => {
    const packages = {
      only: 'security',
      exclude: ['nginx*', 'vim'],
      includeKubernetes: true,
      allowRemovals: true,
      keepMinor: true,
      phasedUpdates: 'never',
    } as const;
    const parameters = async (policy: PackagePolicy) => {
      const session = fakeSession([factsAnswer(), plan]);
      const options = { token: '0123456789abcdef', firstJob: 1, withoutDrain: false, packages: policy };
      await preflightNode(session, options);
      return session.transport.calls[1]?.stdin.split('\n').slice(2);
    };
    expect(await parameters({ ...packages, exclude: [...packages.exclude] })).toEqual([
      'refresh=yes',
      'only=security',
      'exclude=nginx*',
      'exclude=vim',
      'kubernetes=yes',
      'removals=yes',
      'keep_minor=yes',
      'phased=never',
      'end',
      '',
    ]);
    expect(await parameters(DEFAULT_PACKAGE_POLICY)).toEqual(['refresh=yes', 'end', '']);
    await expect(parameters({ ...DEFAULT_PACKAGE_POLICY, exclude: ['a\nremovals=yes'] })).rejects.toThrow(/excluded/);
  });

  it('waits for a job of an earlier run and for package locks, and names them', async () => {
    const { end, session } = preflight([
      factsAnswer('job=feedfeedfeedfeed-apply-1'),
      factsAnswer('lock_holder=apt-get (pid 812)'),
      factsAnswer(),
      plan,
    ]);
    await end;
    expect(session.shown.map(({ waitingFor }) => waitingFor)).toEqual([
      'the job feedfeedfeedfeed-apply-1 on the node to end',
      'package lock held by apt-get (pid 812)',
      undefined,
      undefined,
    ]);
  });

  it('repairs an interrupted package database before planning, under job ids unused by the workflow', async () => {
    const { end, commands } = preflight([
      factsAnswer('package_problem=dpkg was interrupted'),
      repaired,
      factsAnswer(),
      plan,
    ]);
    expect((await end).repaired?.warnings).toEqual([
      { kind: 'repaired', message: 'packages were repaired before the patch: dpkg was interrupted', remedy: null },
    ]);
    expect(commands()).toEqual([
      'facts',
      'start 0123456789abcdef-repair-1010 repair',
      'facts',
      'start 0123456789abcdef-plan-1011 plan',
    ]);
  });

  it('fails as PackagesBroken when the repair does not help', async () => {
    const broken = jobAnswer('done rc=91', { log: 'still broken\n' });
    const interrupted = factsAnswer('package_problem=dpkg was interrupted');
    const { end, commands } = preflight([interrupted, broken, interrupted]);
    await expect(end).rejects.toMatchObject({
      type: 'PackagesBroken',
      message: expect.stringContaining('dpkg was interrupted'),
      remedy: expect.not.stringContaining('configure -a'),
    });
    expect(commands().filter((command) => command.endsWith(' plan'))).toEqual([]);
  });

  it('continues after a failed repair when the plan unpacks the half-installed packages anew', async () => {
    const halfInstalled = factsAnswer('package_problem=lab is not fully installed (iHR)');
    const vain = jobAnswer('done rc=91', { answer: 'problem lab is not fully installed (iHR)\n' });
    const mends = jobAnswer('done rc=0', { answer: `${PLAN}out Inst lab [1.0] (1.1 Lab:stable [all])\n` });
    expect((await preflight([halfInstalled, vain, halfInstalled, mends]).end).plan.changes).toHaveLength(1);
    await expect(preflight([halfInstalled, vain, halfInstalled, plan]).end).rejects.toMatchObject({
      type: 'PackagesBroken',
      message: expect.stringContaining('lab is not fully installed (iHR)'),
    });
  });

  it('retries a failing mirror under a new job, and fails after three attempts', async () => {
    const { end, commands } = preflight([factsAnswer(), unreachableMirror, plan]);
    expect((await end).plan.warnings).toMatchObject([
      {
        kind: 'repaired',
        message: expect.stringMatching(/^attempt 2 made the plan, after a failure: plan failed on /),
      },
    ]);
    expect(commands().at(-1)).toBe('start 0123456789abcdef-plan-1011 plan');
    await expect(preflight([factsAnswer(), unreachableMirror]).end).rejects.toMatchObject({ type: 'Repository' });
  });

  it('does not retry a failure that needs a decision or stays the same', async () => {
    const label = "E: Repository 'http://m stable InRelease' changed its 'Label' value from 'a' to 'b'\n";
    const decision = preflight([factsAnswer(), jobAnswer('done rc=100', { log: label })]);
    await expect(decision.end).rejects.toMatchObject({ type: 'DecisionRequired' });
    expect(decision.commands()).toHaveLength(2);
    const hook = preflight([factsAnswer(), jobAnswer('done rc=100', { log: 'E: Malformed entry 1 in list file x\n' })]);
    await expect(hook.end).rejects.toMatchObject({ type: 'PackageManager' });
    expect(hook.commands()).toHaveLength(2);
  });

  it.each([
    [730, 'ahead of'],
    [-730, 'behind'],
  ])('adds the clock of the node when that is %i days off and lists or keys are rejected', async (days, how) => {
    const clock = new Date(Date.now() + days * 86_400_000).toISOString();
    const expired = jobAnswer('done rc=100', { log: 'E: Release file for http://m/InRelease is expired.\n' });
    const session = fakeSession([factsAnswer(`clock=${clock}`), expired], { now: Date.now });
    const options = { token: '0123456789abcdef', firstJob: 1010, withoutDrain: false };
    await expect(preflightNode(session, options)).rejects.toMatchObject({
      type: 'DecisionRequired',
      message: expect.stringMatching(`is expired\\); the clock of w-1 is 730d ${how} that of the worker$`),
    });
    expect(session.transport.calls).toHaveLength(2);
  });

  it('fails on a lock after the timeout, and names the holder', async () => {
    const session = fakeSession([
      factsAnswer('lock_holder=apt-get (pid 812)'),
      factsAnswer('lock_holder=apt-get (pid 812)'),
    ]);
    const options = { token: '0123456789abcdef', firstJob: 1, withoutDrain: false, lockTimeoutMs: 0 };
    await expect(preflightNode(session, options)).rejects.toMatchObject({
      type: 'Busy',
      message: expect.stringMatching(/^the package lock of .* has been held by apt-get \(pid 812\) for 0s$/),
    });
  });

  it('waits for the locks of debconf and of the user database only when there is something to install', async () => {
    const locked = factsAnswer('lock_holder=vipw (pid 7)\nlock_kind=passwd');
    const idle = preflight([locked, plan]);
    expect((await idle.end).plan.changes).toEqual([]);
    const inst = 'out Inst lab [1] (2 Lab:12/stable [all])\n';
    const busy = preflight([locked, jobAnswer('done rc=0', { answer: inst + PLAN }), locked, factsAnswer()]);
    await busy.end;
    expect(busy.session.shown.map(({ waitingFor }) => waitingFor)).toContain('passwd lock held by vipw (pid 7)');
  });

  it('rejects a plan with removals before any change, by name', async () => {
    const removing = jobAnswer('done rc=0', { answer: `${PLAN}out Remv postgresql [15]\n` });
    await expect(preflight([factsAnswer(), removing]).end).rejects.toMatchObject({
      type: 'Policy',
      message: 'the patch of w-1 would remove: postgresql',
    });
  });

  it('does not apply a plan it could not read', async () => {
    const strange = jobAnswer('done rc=0', { answer: `${PLAN}out Inst something new\n` });
    await expect(preflight([factsAnswer(), strange]).end).rejects.toMatchObject({ type: 'HelperProtocol' });
  });
});
