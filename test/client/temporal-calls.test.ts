import { QueryNotRegisteredError, QueryRejectedError } from '@temporalio/client';
import { temporal } from '@temporalio/proto';
import { TemporalCalls } from '../../src/client/temporal-calls';
import type { TemporalSession } from '../../src/client/connection';

const {
  WORKFLOW_EXECUTION_STATUS_COMPLETED,
  WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW,
  WORKFLOW_EXECUTION_STATUS_PAUSED,
  WORKFLOW_EXECUTION_STATUS_RUNNING,
} = temporal.api.enums.v1.WorkflowExecutionStatus;

const execution = { workflowId: 'cluster/demo', runId: 'first' };
const described = {
  workflowExecutionInfo: { status: WORKFLOW_EXECUTION_STATUS_RUNNING, execution, taskQueue: 'ospatch' },
};

function calls({
  describeTaskQueue = jest.fn(),
  describeWorkflowExecution = jest.fn().mockResolvedValue(described),
  deadlineMs = 10_000,
} = {}): TemporalCalls {
  const client = {
    withDeadline: (_deadline: number, body: () => Promise<unknown>) => body(),
    withAbortSignal: (_signal: AbortSignal, body: () => Promise<unknown>) => body(),
    workflow: { getHandle: () => ({ describe: jest.fn() }) },
    workflowService: { describeTaskQueue, describeWorkflowExecution },
  };
  const session = { client, address: 'host:7233', namespace: 'default', taskQueue: 'ospatch', keyIds: [], deadlineMs };
  return new TemporalCalls(session as unknown as TemporalSession);
}

describe('src/client/temporal-calls', () => {
  test('repeats a query that falls between two runs of a cluster workflow', async () => {
    const answers = [1, 2].map(() => new QueryRejectedError(WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW));
    const ask = (): Promise<string> => {
      const rejected = answers.pop();
      return rejected === undefined ? Promise.resolve('here') : Promise.reject(rejected);
    };
    expect(await calls().call('demo', ask)).toBe('here');
  });

  test('reports an ended cluster as not found, at once', async () => {
    const ask = jest.fn(() => Promise.reject(new QueryRejectedError(WORKFLOW_EXECUTION_STATUS_COMPLETED)));
    await expect(calls().call('demo', ask)).rejects.toMatchObject({ type: 'NotFound' });
    expect(ask).toHaveBeenCalledTimes(1);
  });

  test('finds a workflow that is paused on the server, and reports the pause', async () => {
    const ask = (): Promise<never> => Promise.reject(new QueryRejectedError(WORKFLOW_EXECUTION_STATUS_PAUSED));
    await expect(calls().call('demo', ask)).rejects.toMatchObject({
      type: 'Stuck',
      message: expect.stringContaining('is paused on the Temporal server') as string,
    });
  });

  describe('a query that a worker fails', () => {
    // What the SDK says when the result of a local activity comes after its task was given to another worker.
    const lost = '[TMPRL1100] Nondeterminism error: Missing associated machine for LocalActivity(14)';
    const failed = (message: string): Promise<never> => Promise.reject(new QueryNotRegisteredError(message, 3));

    test('means that the workers cannot continue the cluster', async () => {
      await expect(calls().query('demo', () => failed(lost))).rejects.toMatchObject({ type: 'Stuck' });
    });

    test('means another version when they do not know it', async () => {
      const unknown = 'Workflow did not register a handler for progress';
      await expect(calls().query('demo', () => failed(unknown))).rejects.toMatchObject({ type: 'Internal' });
    });
  });

  test('waits for a worker that has started and not polled yet', async () => {
    const pollers = [{ lastAccessTime: { seconds: Date.now() / 1000 } }];
    const describeTaskQueue = jest.fn().mockResolvedValueOnce({}).mockResolvedValue({ pollers });
    await calls({ describeTaskQueue }).ensureWorker();
    expect(describeTaskQueue).toHaveBeenCalledTimes(2);
  });

  test('soon reports a missing worker', async () => {
    const describeTaskQueue = jest.fn().mockResolvedValue({ pollers: [] });
    const ensured = calls({ describeTaskQueue, deadlineMs: 50 }).ensureWorker();
    await expect(ensured).rejects.toMatchObject({ type: 'NoWorker' });
  });

  describe('a request', () => {
    const polled = { pollers: [{ lastAccessTime: { seconds: Date.now() / 1000 } }] };
    const answer = (): Promise<string> => Promise.resolve('here');

    test('to a cluster that has just answered needs no check for workers', async () => {
      const describeTaskQueue = jest.fn().mockResolvedValue(polled);
      const one = calls({ describeTaskQueue });
      await one.ofCluster('demo', answer);
      await one.request('demo', answer);
      expect(describeTaskQueue).not.toHaveBeenCalled();
      await one.request('other', answer);
      expect(describeTaskQueue).toHaveBeenCalledTimes(1);
    });

    test('to a cluster that has just answered is not sent to a stuck workflow', async () => {
      const paused = { ...described.workflowExecutionInfo, status: WORKFLOW_EXECUTION_STATUS_PAUSED };
      const describeWorkflowExecution = jest.fn().mockResolvedValue({ workflowExecutionInfo: paused });
      const one = calls({ describeWorkflowExecution });
      await one.ofCluster('demo', answer);
      const send = jest.fn(answer);
      await expect(one.request('demo', send)).rejects.toMatchObject({ type: 'Stuck' });
      expect(send).not.toHaveBeenCalled();
    });
  });
});
