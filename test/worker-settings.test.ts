import { isOspatchError } from '../src/domain/shared/errors';
import { buildIdOf, deploymentNameFromEnv } from '../src/worker-deployment';
import { limitOptions, workerLimitsFromEnv } from '../src/worker-limits';

function rejection(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    if (isOspatchError(error) && error.type === 'Usage') return `${error.message} ${error.remedy}`;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('src/worker-limits', () => {
  it('has a default for each limit, also when the variable is empty', () => {
    const defaults = { maxActivities: 500, maxCachedWorkflows: 1_500, maxPollers: 20 };
    expect(workerLimitsFromEnv({})).toEqual(defaults);
    expect(workerLimitsFromEnv({ OSPATCH_MAX_ACTIVITIES: '' })).toEqual(defaults);
  });

  it('reads each limit from its variable', () => {
    expect(
      workerLimitsFromEnv({
        OSPATCH_MAX_ACTIVITIES: '50',
        OSPATCH_MAX_CACHED_WORKFLOWS: '10',
        OSPATCH_MAX_POLLERS: '500',
      }),
    ).toEqual({ maxActivities: 50, maxCachedWorkflows: 10, maxPollers: 500 });
  });

  it.each(['0', '1', '-5', '1e3', '2.5', ' 5', 'many', '10001', '9999999999999'])(
    'rejects %j with one sentence that names the variable',
    (value) => {
      expect(rejection(() => workerLimitsFromEnv({ OSPATCH_MAX_ACTIVITIES: value }))).toBe(
        `OSPATCH_MAX_ACTIVITIES: found ${JSON.stringify(value)}; allowed: a whole number from 2 to 10000 correct the variable, or unset it for the default, 500`,
      );
    },
  );

  it('rejects fewer cached workflows and pollers than a worker needs', () => {
    expect(rejection(() => workerLimitsFromEnv({ OSPATCH_MAX_CACHED_WORKFLOWS: '9' }))).toContain('from 10 to 100000');
    expect(rejection(() => workerLimitsFromEnv({ OSPATCH_MAX_POLLERS: '1' }))).toContain('from 2 to 500');
  });
});

describe('src/worker-limits for the SDK', () => {
  it.each([
    [10, 10],
    [1_500, 40],
  ])('with %i cached workflows works on at most %i at a time', (maxCachedWorkflows, atATime) => {
    const limits = { maxActivities: 500, maxCachedWorkflows, maxPollers: 20 };
    expect(limitOptions(limits).maxConcurrentWorkflowTaskExecutions).toBe(atATime);
  });
});

describe('src/worker-deployment', () => {
  it('uses versioning only when a deployment is named', () => {
    expect(deploymentNameFromEnv({})).toBeNull();
    expect(deploymentNameFromEnv({ OSPATCH_WORKER_DEPLOYMENT: '' })).toBeNull();
    expect(deploymentNameFromEnv({ OSPATCH_WORKER_DEPLOYMENT: 'ospatch-eu_1' })).toBe('ospatch-eu_1');
  });

  it.each(['a.b', 'a:b', '__x', ' a', 'x'.repeat(101)])('rejects the name %j, which Temporal would reject', (name) => {
    expect(rejection(() => deploymentNameFromEnv({ OSPATCH_WORKER_DEPLOYMENT: name }))).toContain(
      'OSPATCH_WORKER_DEPLOYMENT: found',
    );
  });

  it('distinguishes two builds of one version, and not the same build on two machines', () => {
    expect(buildIdOf('0.1.0', 'a')).toBe(buildIdOf('0.1.0', Buffer.from('a')));
    expect(buildIdOf('0.1.0', 'a')).not.toBe(buildIdOf('0.1.0', 'b'));
    expect(buildIdOf('0.1.0', 'a')).toMatch(/^0\.1\.0-[0-9a-f]{8}$/);
  });
});
