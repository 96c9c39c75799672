import { WorkflowNotFoundError } from '@temporalio/client';
import type { TemporalSession } from '../../src/client/connection';
import { awaitRunEnd } from '../../src/client/run-end';

const settled = [{ node: 'w-1', outcome: 'patched' }];
const finished = { end: 'finished', outcome: 'succeeded', cursor: { settled, failures: 0 } };
const notThere = new WorkflowNotFoundError('not there', 'cluster/demo/run/1-x', undefined);

/** A session whose server gives these answers in turn; the last one for ever. */
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
  test('tells how the nodes of a run ended, also of one that has not begun yet', async () => {
    const { session } = answering(notThere, finished);
    await expect(wait(session)).resolves.toEqual(settled);
  });

  test.each([
    ['is put down for now', { ...finished, end: 'suspended' }],
    ['answers with something else', { done: 1 }],
    ['cannot be asked for', new Error('UNAVAILABLE')],
  ])('knows nothing of a run that %s', async (_title, answer) => {
    await expect(wait(answering(answer).session)).resolves.toBeNull();
  });

  test('gives up a run that does not begin when nobody waits for it any more', async () => {
    const { session, result } = answering(notThere);
    const over = new AbortController();
    const waiting = wait(session, over.signal);
    over.abort();
    await expect(waiting).resolves.toBeNull();
    expect(result).toHaveBeenCalledTimes(1);
  });
});
