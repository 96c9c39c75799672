import { WorkflowNotFoundError } from '@temporalio/client';
import type { TemporalSession } from '../../src/client/connection';
import { awaitRunEnd } from '../../src/client/run-end';

const settled = [{ node: 'w-1', outcome: 'patched' }];
const finished = { end: 'finished', outcome: 'succeeded', cursor: { settled, failures: 0 } };
const notThere = new WorkflowNotFoundError('not there', 'cluster/demo/run/1-x', undefined);

/** A session whose server returns the answers in order, then repeats the last one. */
function answering(...answers: unknown[]) {
  let at = 0;
  const result = jest.fn(() => {
    const answer = answers[Math.min(at++, answers.length - 1)];
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
  });
  const client = {
    workflow: { getHandle: () => ({ result }) },
    withAbortSignal: (_signal: AbortSignal, body: () => Promise<unknown>) => body(),
  };
  return { session: { client } as unknown as TemporalSession, result };
}

const wait = (session: TemporalSession, signal = new AbortController().signal) =>
  awaitRunEnd(session, 'cluster/demo/run/1-x', signal);

describe('src/client/run-end', () => {
  test('returns the results of the nodes, also of a run that begins later', async () => {
    const { session } = answering(notThere, finished);
    await expect(wait(session)).resolves.toEqual(settled);
  });

  test.each([
    ['is suspended', { ...finished, end: 'suspended' }],
    ['returns something else', { done: 1 }],
    ['cannot be queried', new Error('UNAVAILABLE')],
  ])('returns no results of a run that %s', async (_title, answer) => {
    await expect(wait(answering(answer).session)).resolves.toBeNull();
  });

  test('stops polling for a run that does not begin when aborted', async () => {
    const { session, result } = answering(notThere);
    const over = new AbortController();
    const waiting = wait(session, over.signal);
    over.abort();
    await expect(waiting).resolves.toBeNull();
    expect(result).toHaveBeenCalledTimes(1);
  });
});
