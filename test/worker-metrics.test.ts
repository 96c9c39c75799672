/** Whether a worker says that it is ready exactly while it takes tasks. */
import type { NativeConnection, Worker } from '@temporalio/worker';
import { Readiness, metricsAddressFromEnv } from '../src/worker-metrics';

function watched(state: string, answers: () => Promise<unknown> = () => Promise.resolve({})) {
  let asked = 0;
  const connection = {
    withDeadline: (_: number, call: () => Promise<unknown>) => call(),
    workflowService: { getSystemInfo: () => ((asked += 1), answers()) },
  };
  const readiness = new Readiness();
  readiness.watch({ getState: () => state } as Worker, connection as unknown as NativeConnection);
  return { readiness, asked: () => asked };
}

describe('src/worker-metrics', () => {
  it.each([
    ['INITIALIZED', 'the worker is starting'],
    ['RUNNING', null],
    ['STOPPING', 'the worker is shutting down'],
    ['DRAINING', 'the worker is shutting down'],
    ['DRAINED', 'the worker is shutting down'],
    ['STOPPED', 'the worker is shutting down'],
    ['FAILED', 'the worker is shutting down'],
  ])('says of a worker in the state %s: %s', async (state, problem) => {
    expect(await watched(state).readiness.problem()).toBe(problem);
  });

  it('is not ready before there is a worker', async () => {
    expect(await new Readiness().problem()).toBe('the worker is starting');
  });

  it('asks Temporal once for all who look at the same time', async () => {
    const { readiness, asked } = watched('RUNNING', () => Promise.reject(new Error('away')));
    const problems = await Promise.all([readiness.problem(), readiness.problem(), readiness.problem()]);
    expect(problems).toEqual(problems.map(() => 'Temporal does not answer'));
    expect(asked()).toBe(1);
  });

  it('serves nothing unless it is told where', () => {
    expect(metricsAddressFromEnv({})).toBeNull();
    expect(metricsAddressFromEnv({ OSPATCH_METRICS: '' })).toBeNull();
    expect(metricsAddressFromEnv({ OSPATCH_METRICS: ':9464' })).toEqual({ host: null, port: 9464 });
  });
});
