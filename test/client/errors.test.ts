import {
  ActivityFailure,
  NamespaceNotFoundError,
  ServiceError,
  TerminatedFailure,
  TimeoutFailure,
  WorkflowFailedError,
} from '@temporalio/client';
import { isTransient, toClientError } from '../../src/client/errors';

const CONTEXT = { address: 'host:7233', namespace: 'nope', cluster: 'demo', deadlineMs: 10_000 };
const FAILED_PRECONDITION = 9;

function grpcError(code: number, details: string): Error {
  const cause = Object.assign(new Error(details), { code, details, metadata: {} });
  return new ServiceError('Failed to query Workflow', { cause });
}

describe('src/client/errors', () => {
  test('reports a missing namespace with a remedy, and not as a bug', () => {
    expect(toClientError(new NamespaceNotFoundError('nope'), CONTEXT)).toMatchObject({
      type: 'NotFound',
      message: 'Temporal at host:7233 has no namespace nope',
    });
  });

  test.each([
    'no poller seen for task queue recently, worker may be down',
    'Unable to query workflow due to Workflow Task in failed state',
  ])('retries a query while the server has no worker for it: %s', (details) => {
    expect(isTransient(toClientError(grpcError(FAILED_PRECONDITION, details), CONTEXT))).toBe(true);
    expect(isTransient(toClientError(grpcError(FAILED_PRECONDITION, 'something else'), CONTEXT))).toBe(false);
  });

  const timeout = new TimeoutFailure('Workflow execution timed out', undefined, 'START_TO_CLOSE');
  const activity = new ActivityFailure('Activity task timed out', 'readLog', '1', 'TIMEOUT', 'worker', timeout);

  test.each([
    ['a time-out', timeout, 'NoWorker'],
    ['the time-out of a step', activity, 'NoWorker'],
    ['a termination', new TerminatedFailure('Workflow execution terminated'), 'Cancelled'],
  ])('reports a workflow end made by Temporal in a sentence with a remedy: %s', (_, cause, type) => {
    const error = toClientError(new WorkflowFailedError('Workflow execution failed', cause, 'TIMEOUT'), CONTEXT);
    expect(error).toMatchObject({ type, remedy: expect.stringContaining('try again') as string });
    expect(error.message).not.toMatch(/timed out|execution/);
  });
});
