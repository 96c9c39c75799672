/** Waits for AWS in attempts that release their slot: the real activities against a simulated EKS API, retried the way the server does. */
import type { ApplicationFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { createEksActivities } from '../../src/activities/eks';
import type { HeartbeatDetails } from '../../src/activities/heartbeat';
import { EksApis } from '../../src/aws/eks-caller';
import { WAITING } from '../../src/contract/waiting';
import { HOUR_MS, MINUTE_MS } from '../../src/domain/shared/time-units';
import { EksServer, FAULTS, simulateCredentials } from '../support/eks-server';

let eks: EksServer;
let apis: EksApis;
let restore: () => void;

beforeEach(async () => {
  restore = simulateCredentials();
  eks = await EksServer.start();
  apis = new EksApis();
});

afterEach(async () => {
  apis.close();
  await eks.stop();
  restore();
});

type Activities = ReturnType<typeof createEksActivities>;

interface Course {
  attempts: number;
  delaysMs: number[];
  value?: unknown;
  error?: ApplicationFailure;
}

/** Runs attempt after attempt, each on a worker of its own, until the result or `maxAttempts`, without the pauses between. */
async function run<R>(
  work: (activities: Activities) => () => Promise<R>,
  { earlier = {}, maxAttempts = 500, onAttempt = (_: number) => undefined as void } = {},
): Promise<Course> {
  const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const course: Course = { attempts: 0, delaysMs: [] };
  let heartbeatDetails: unknown = { step: 'apply', unreachableMs: 0, elapsedMs: 0, ...earlier };
  while (course.attempts < maxAttempts) {
    course.attempts += 1;
    const { attempts: attempt } = course;
    onAttempt(attempt);
    const info = { attempt, heartbeatDetails, retryPolicy: { maximumAttempts: 0 }, scheduleToCloseTimeoutMs: 0 };
    const environment = new MockActivityEnvironment(info, { logger: new DefaultLogger('ERROR') });
    environment.on('heartbeat', (details) => {
      heartbeatDetails = JSON.parse(JSON.stringify(details)) as unknown;
    });
    const outcome = await environment
      .run(work(createEksActivities({ log: quiet, apis, firstHoldMs: 0 })))
      .then((value) => ({ value }))
      .catch((error: unknown) => ({ error: error as ApplicationFailure }));
    if ('value' in outcome || outcome.error.type !== WAITING) return { ...course, ...outcome };
    const delayMs = Number(outcome.error.nextRetryDelay);
    course.delaysMs.push(delayMs);
    const { handedBack } = heartbeatDetails as HeartbeatDetails;
    if (handedBack !== undefined) handedBack.atMs -= delayMs;
  }
  return course;
}

function access() {
  return { region: 'eu-central-1', cluster: eks.cluster, endpoint: eks.endpoint };
}

function begin(activities: Activities) {
  const request = { cluster: 'prod', run: 7, startedAt: '2027-01-01T00:00:00Z' };
  const found = '1.31.3-20250103';
  return () =>
    activities.beginNodegroupUpdate({
      ...{ access: access(), nodeGroup: 'blue', version: '1.31', found, force: false, request },
    });
}

function sum(all: number[]): number {
  return all.reduce((total, one) => total + one, 0);
}

describe('src/aws: waits that hold no activity slot', () => {
  it('polls an update in short attempts, one per minute, and notices its end', async () => {
    eks.addGroup('blue');
    eks.hold = true;
    const { updateId } = (await run(begin)).value as { updateId: string };
    const input = { access: access(), nodeGroup: 'blue', updateId, what: 'the update' };
    const polls = eks.count('DescribeUpdate');
    const course = await run((activities) => () => activities.followNodegroupUpdate(input), {
      onAttempt: (attempt) => {
        if (attempt === 60) eks.hold = false;
      },
    });
    expect(course).toMatchObject({ attempts: 60, value: { status: 'Successful' } });
    // One API call per poll.
    expect(eks.count('DescribeUpdate') - polls).toBe(60);
    expect(Math.max(...course.delaysMs)).toBeLessThanOrEqual(MINUTE_MS);
    // More than half an hour with a seventh of the heartbeats that a held slot would cost.
    expect(sum(course.delaysMs)).toBeGreaterThan(30 * MINUTE_MS);
  });

  it('fails after an hour on a group with another update in progress, counted over all attempts', async () => {
    eks.addGroup('blue', { status: 'UPDATING' });
    const message = 'Nodegroup cannot be updated as it is currently not in Active State';
    const busy = { status: 409, type: 'ResourceInUseException', message };
    const course = await run(begin, { onAttempt: () => eks.failNext('UpdateNodegroupVersion', busy) });
    expect(course.error).toMatchObject({ type: 'Aws', message: expect.stringContaining(message) as string });
    expect(sum(course.delaysMs) / MINUTE_MS).toBeGreaterThan(55);
    expect(sum(course.delaysMs) / MINUTE_MS).toBeLessThan(65);
  });

  it('fails when one AWS call stays unanswered although others succeed', async () => {
    eks.addGroup('blue');
    const faults = Array.from({ length: 50 }, () => FAULTS.unavailable);
    const earlier = { waits: { 'updateVersion: transient': 29.99 * MINUTE_MS } };
    eks.failNext('UpdateNodegroupVersion', ...faults);
    const course = await run(begin, { earlier });
    expect(eks.count('DescribeNodegroup')).toBeGreaterThan(0);
    expect(course.error).toMatchObject({
      type: 'Aws',
      message: expect.stringMatching(/for 30m\S* already$/) as string,
    });
  });

  it('counts the time of each kind of error and of each call separately', async () => {
    eks.addGroup('blue');
    eks.hold = true;
    const { updateId } = (await run(begin)).value as { updateId: string };
    const input = { access: access(), nodeGroup: 'blue', updateId, what: 'the update' };
    const follow = (activities: Activities) => () => activities.followNodegroupUpdate(input);
    eks.fault = FAULTS.expired;
    // Credentials have an hour of their own: AWS was unavailable for longer before they expired.
    const waits = { 'describeUpdate: transient': 3 * HOUR_MS, 'describeNodegroup: credentials': 2 * HOUR_MS };
    const course = await run(follow, { earlier: { waits }, maxAttempts: 3 });
    expect(course.error).toBeUndefined();
    expect(course.attempts).toBe(3);
    const over = await run(follow, { earlier: { waits: { 'describeUpdate: credentials': HOUR_MS } } });
    expect(over.error).toMatchObject({
      type: 'Aws',
      message: expect.stringMatching(/ExpiredTokenException\), for 1h\S* already$/) as string,
    });
  });
});
