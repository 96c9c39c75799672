import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { toApplicationFailure } from '../../src/activities/errors';
import { createNodeActivities } from '../../src/activities/node';
import type { NodeInspection } from '../../src/domain/inspection/node';
import { ERROR_TYPES, OspatchError } from '../../src/domain/shared/errors';
import type { Transport } from '../../src/ssh/transport';
import type { Answer } from '../node/fake-node';
import { FakeTransport, TARGET, factsAnswer, jobAnswer, unreachableNode } from '../node/fake-node';

const TOKEN = '0123456789abcdef';
const APPLY = {
  target: TARGET,
  token: TOKEN,
  attempt: 2,
  planDigest: 'a'.repeat(64),
  planned: 2,
  lostTimeoutMs: 1_000,
};
const FACTS = { target: TARGET, unreachableTimeoutMs: 1_000 };

function setUp(answers: Answer[] | Transport, info: object = {}, firstHoldMs?: number) {
  const transport = Array.isArray(answers) ? new FakeTransport(answers) : answers;
  const pool = {
    transport: () => transport,
    ownTransport: () => transport,
    probeHostKey: () => Promise.resolve(),
    close: () => undefined,
  };
  const activities = createNodeActivities({
    pool,
    ...(firstHoldMs === undefined ? {} : { firstHoldMs }),
    hookDir: null,
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
  });
  const environment = new MockActivityEnvironment(info, { logger: new DefaultLogger('ERROR') });
  const heartbeats: unknown[] = [];
  environment.on('heartbeat', (details) => heartbeats.push(details));
  return { transport, activities, environment, heartbeats };
}

describe('src/activities/node', () => {
  it('applies under the job id of token and attempt, and reports finished packages in heartbeats', async () => {
    const { activities, environment, heartbeats, transport } = setUp([
      jobAnswer('running', { log: 'Unpacking a\nSetting up a (2) ...\n' }),
      jobAnswer('done rc=0', { log: 'Setting up b (2) ...\n', answer: '- a amd64 1\n+ a amd64 2\n' }),
    ]);
    expect(await environment.run(activities.apply, APPLY)).toEqual({
      state: 'done',
      result: {
        changes: [{ name: 'a', arch: 'amd64', from: '1', to: '2' }],
        keptConfigFiles: [],
        warnings: [],
        error: null,
        logBytes: 21,
        endedAgo: 0,
      },
    });
    expect((transport as FakeTransport).calls[0]?.command).toContain(`start ${TOKEN}-apply-2 apply`);
    expect(heartbeats).toContainEqual(expect.objectContaining({ step: 'apply', unreachableMs: 0, done: 1, total: 2 }));
    expect(heartbeats.at(-1)).toMatchObject({ step: 'apply', unreachableMs: 0, done: 2, total: 2 });
  });

  it.each(['prefetch', 'inspectFailedNode'] as const)(
    'uses one job id for a %s, whatever the attempt',
    async (step) => {
      const starts: string[] = [];
      for (const attempt of [1, 5]) {
        const transport = new FakeTransport([
          ...(step === 'inspectFailedNode' ? [factsAnswer()] : []),
          jobAnswer('done rc=0', { answer: `digest ${'a'.repeat(64)}\n` }),
        ]);
        const { activities, environment } = setUp(transport, { attempt });
        const input = { ...APPLY, packageManager: 'apt', unreachableTimeoutMs: 1_000 };
        await environment.run(activities[step] as (given: typeof input) => Promise<unknown>, input);
        starts.push(...transport.calls.flatMap(({ command }) => / start (\S+) /.exec(command)?.[1] ?? []));
      }
      expect(starts).toHaveLength(2);
      expect(new Set(starts).size).toBe(1);
    },
  );

  it('carries the plan number of a lock wait over to the next attempt', async () => {
    const log = 'ospatch: waiting for /var/lib/dpkg/lock-frontend, held by apt-get (pid 7)\n';
    const input = { target: TARGET, token: TOKEN, attempt: 1, withoutDrain: false, unreachableTimeoutMs: 1_000 };
    const forEver = { retryPolicy: { maximumAttempts: 0 }, scheduleToCloseTimeoutMs: 0 };
    const first = setUp([factsAnswer(), jobAnswer('running', { log })], { attempt: 1, ...forEver }, 0);
    await expect(first.environment.run(first.activities.preflight, input)).rejects.toMatchObject({ type: 'Waiting' });
    const [heartbeatDetails] = first.heartbeats.slice(-1);
    expect(heartbeatDetails).toMatchObject({ others: { by: 'lock' }, handedBack: { kind: 'others', attempt: 1 } });
    const planned = jobAnswer('done rc=0', { answer: `digest ${'a'.repeat(64)}\n` });
    const next = setUp([factsAnswer(`job=${TOKEN}-plan-100010`), planned], {
      attempt: 2,
      heartbeatDetails,
      ...forEver,
    });
    await next.environment.run(next.activities.preflight, input);
    expect((next.transport as FakeTransport).calls[1]?.command).toContain(`start ${TOKEN}-plan-100010 plan`);
  });

  it('returns a package manager failure together with the packages that changed', async () => {
    const { activities, environment } = setUp([
      jobAnswer('done rc=100', {
        log: 'E: Sub-process /usr/bin/dpkg returned an error code (1)\n',
        answer: '+ a amd64 2\n',
      }),
    ]);
    expect(await environment.run(activities.apply, APPLY)).toMatchObject({
      state: 'done',
      result: {
        changes: [{ name: 'a', from: null, to: '2' }],
        error: { type: 'PackagesBroken', details: { rc: 100 } },
      },
    });
  });

  it('fails as PlanChanged when the node reports another package set', async () => {
    const { activities, environment } = setUp([jobAnswer('done rc=90')]);
    await expect(environment.run(activities.apply, APPLY)).rejects.toMatchObject({
      type: 'PlanChanged',
      nonRetryable: true,
    });
  });

  it('fails as UnreachableAfterChange in apply and as Unreachable in readFacts once the observed outage exceeds the limit', async () => {
    const apply = setUp([unreachableNode()]);
    await expect(apply.environment.run(apply.activities.apply, APPLY)).rejects.toMatchObject({
      type: 'UnreachableAfterChange',
      nonRetryable: true,
    });
    const facts = setUp([unreachableNode()]);
    await expect(facts.environment.run(facts.activities.readFacts, FACTS)).rejects.toMatchObject({
      type: 'Unreachable',
      nonRetryable: true,
      details: [{ type: 'Unreachable' }],
    });
  });

  it('continues the outage count from the heartbeat of the previous attempt', async () => {
    const { activities, environment, heartbeats } = setUp([unreachableNode()], {
      heartbeatDetails: { unreachableMs: 900 },
    });
    await expect(environment.run(activities.readFacts, FACTS)).rejects.toMatchObject({ type: 'Unreachable' });
    expect(heartbeats[0]).toMatchObject({ step: 'verify', unreachableMs: 900 });
    expect(heartbeats).toContainEqual(
      expect.objectContaining({ waitingFor: 'the node to answer: w-1 cannot be reached: refused' }),
    );
  });

  it('stops following the job at once on cancellation, and fails as cancelled only', async () => {
    const never: Transport = { exec: () => new Promise(() => undefined), close: () => undefined };
    const { activities, environment } = setUp(never);
    const running = environment.run(activities.apply, APPLY);
    setTimeout(() => environment.cancel(), 20);
    await expect(running).rejects.toMatchObject({ name: 'CancelledFailure' });
  });

  it('also stops between two polls on cancellation', async () => {
    const { activities, environment } = setUp([jobAnswer('busy holder=x')]);
    const running = environment.run(activities.apply, APPLY);
    setTimeout(() => environment.cancel(), 20);
    await expect(running).rejects.toMatchObject({ name: 'CancelledFailure' });
  });

  it('uses new preflight job ids for every activity attempt', async () => {
    const { activities, environment, transport } = setUp(
      [factsAnswer(), jobAnswer('done rc=0', { answer: `digest ${'a'.repeat(64)}\n` })],
      { attempt: 3 },
    );
    const input = { target: TARGET, token: TOKEN, attempt: 2, withoutDrain: false, unreachableTimeoutMs: 1_000 };
    await environment.run(activities.preflight, input);
    expect((transport as FakeTransport).calls[1]?.command).toContain(`start ${TOKEN}-plan-200030 plan`);
  });

  const INSPECT = {
    ...FACTS,
    policy: { withoutDrain: false, rebootIfRequired: true },
    factsLimitMs: 300,
    planLimitMs: 300,
  };

  it('keeps the facts of a node that is not supported, with the error', async () => {
    const { activities, environment } = setUp([factsAnswer('os_id=flatcar')]);
    expect(await environment.run(activities.inspectNode, INSPECT)).toMatchObject({
      node: 'w-1',
      verdict: 'error',
      facts: { os: { id: 'flatcar' } },
      plan: null,
      error: { type: 'UnsupportedOs' },
    });
  });

  it('keeps the pending packages of a node where no job can be started', async () => {
    const { activities, environment } = setUp([
      factsAnswer(),
      jobAnswer('done rc=0', { answer: `digest ${'a'.repeat(64)}\nout Inst a [1] (2 Debian:12.1/stable [amd64])\n` }),
      'not the helper\n',
    ]);
    expect(await environment.run(activities.inspectNode, INSPECT)).toMatchObject({
      verdict: 'error',
      pending: 1,
      plan: { changes: [{ name: 'a' }] },
      error: { type: 'HelperProtocol' },
    });
  });

  it('reports every blocker of a run in an inspection, from facts and from pending packages', async () => {
    const { activities, environment } = setUp([
      factsAnswer('failed_unit=a.service', 'reboot_owner=kured', 'clock=2020-01-01T00:00:00Z'),
      jobAnswer('done rc=0', { answer: `digest ${'a'.repeat(64)}\nout Inst a [1] (2 Debian:12.1/stable [amd64])\n` }),
      'ospatch 1 facts\nboot_id=x\nend\n',
    ]);
    const inspected = (await environment.run(activities.inspectNode, INSPECT)) as NodeInspection;
    expect(inspected).toMatchObject({ node: 'w-1', verdict: 'error', pending: 1 });
    expect(inspected.findings.map(({ check }) => check)).toEqual(['clock', 'reboot-owners', 'units']);
  });

  it('requires no reboot for a reason that the last reboot did not clear, and says so', async () => {
    const facts = factsAnswer('boot_id=b-1', 'reboot_reason=/run/reboot-required', 'reboot_stamp=2026-01-01T00:00:00Z');
    const pending = jobAnswer('done rc=0', { answer: `digest ${'a'.repeat(64)}\n` });
    const ineffectiveReboot = { bootId: 'b-1', reasons: ['/run/reboot-required'], stamp: '2026-01-01T00:00:00Z' };
    const answers = [facts, pending, 'ospatch 1 facts\nboot_id=x\nend\n'];
    const doctor = setUp([...answers]);
    const inspected = (await doctor.environment.run(doctor.activities.inspectNode, {
      ...INSPECT,
      ineffectiveReboot,
    })) as NodeInspection;
    expect(inspected.facts?.reboot.required).toBe(false);
    const messages = inspected.findings.map(({ message }) => message).join(' ');
    expect(messages).toContain('the last reboot did not clear the reason');
    expect(messages).not.toContain('the next run reboots the node');
    // After another boot the result of the recorded one no longer counts.
    const booted = setUp([...answers]);
    const anew = { ...INSPECT, ineffectiveReboot: { ...ineffectiveReboot, bootId: 'b-0' } };
    const { findings } = (await booted.environment.run(booted.activities.inspectNode, anew)) as NodeInspection;
    expect(findings.map(({ message }) => message).join(' ')).toContain('the next run reboots the node');
  });

  it('reports in an inspection that the helper was installed', async () => {
    const { activities, environment } = setUp([
      { code: 127, stdout: Buffer.from('ospatch-helper:missing \n') },
      'ospatch-install:ok\n',
      factsAnswer(),
      jobAnswer('done rc=0', { answer: `digest ${'a'.repeat(64)}\n` }),
      'ospatch 1 facts\nboot_id=x\nend\n',
    ]);
    const { findings } = (await environment.run(activities.inspectNode, INSPECT)) as NodeInspection;
    expect(findings.map(({ severity, check }) => [severity, check])).toEqual([
      ['ok', 'ready'],
      ['ok', 'helper'],
    ]);
  });

  it('ends an inspection at its time limit, whatever hangs, and keeps what was read', async () => {
    const deaf: Transport = { exec: () => new Promise(() => undefined), close: () => undefined };
    const silent = setUp(deaf);
    expect(await silent.environment.run(silent.activities.inspectNode, INSPECT)).toMatchObject({
      verdict: 'error',
      findings: [{ check: 'reachable', message: 'w-1 did not answer within 0s' }],
    });
    let calls = 0;
    const slow: Transport = {
      exec: () => ((calls += 1) === 1 ? new FakeTransport([factsAnswer()]).exec('') : new Promise(() => undefined)),
      close: () => undefined,
    };
    const half = setUp(slow);
    expect(await half.environment.run(half.activities.inspectNode, INSPECT)).toMatchObject({
      verdict: 'warning',
      findings: [{ check: 'packages' }],
    });
  });

  it('reports a cancelled inspection as cancelled, not as an unreachable node', async () => {
    const never: Transport = { exec: () => new Promise(() => undefined), close: () => undefined };
    const { activities, environment } = setUp(never);
    const running = environment.run(activities.inspectNode, { ...INSPECT, factsLimitMs: 10_000 });
    setTimeout(() => environment.cancel(), 20);
    await expect(running).rejects.toMatchObject({ name: 'CancelledFailure' });
  });

  it('returns logs without credentials and marks truncated ones', async () => {
    const { activities, environment } = setUp(['ospatch 1 log\nfrom http://u:p@mirror\n']);
    const input = { target: TARGET, token: TOKEN, unreachableTimeoutMs: 1_000 };
    expect(await environment.run(activities.readLog, { ...input, maxBytes: 1_000 })).toEqual({
      log: 'from http://[redacted]@mirror\n',
      truncated: false,
    });
  });
});

describe('src/activities/errors', () => {
  it.each(ERROR_TYPES.filter((type) => type !== 'Internal' && type !== 'WorkerProtocol'))(
    'makes %s non-retryable, with the whole error in its details',
    (type) => {
      const info = { type, message: 'what happened', remedy: 'what to do', details: { rc: 1 } };
      expect(toApplicationFailure(new OspatchError(info), 1)).toMatchObject({
        type,
        message: 'what happened',
        nonRetryable: true,
        details: [info],
      });
    },
  );

  it('retries an unforeseen error a few times, and exposes no stack', () => {
    const failure = toApplicationFailure(new TypeError('x is not a function'), 1);
    expect(failure).toMatchObject({ type: 'Internal', nonRetryable: false });
    expect(toApplicationFailure(new TypeError('x'), 30)).toMatchObject({ nonRetryable: true });
    expect(failure.cause?.stack).toBe('');
  });
});
