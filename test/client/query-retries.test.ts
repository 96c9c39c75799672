import { QueryNotRegisteredError } from '@temporalio/client';
import type { WorkflowQueryInput } from '@temporalio/client';
import { QUERY_RETRIES } from '../../src/client/query-retries';
import { UNHANDLED_EVENTS } from '../../src/contract/unhandled-events';

/** What the SDK says when the result of a local activity comes after its task was given to another worker. */
const LOST = '[TMPRL1100] Nondeterminism error: Missing associated machine for LocalActivity(14)';

/** Asks once; the worker fails the first `times` queries with `message`. Returns the answer and the number of queries. */
async function ask(message: string, times: number): Promise<[answer: unknown, queries: number]> {
  let queries = 0;
  const next = (): Promise<string> => {
    queries += 1;
    return queries <= times ? Promise.reject(new QueryNotRegisteredError(message, 3)) : Promise.resolve('here');
  };
  const answer = QUERY_RETRIES.query?.({} as WorkflowQueryInput, next).catch(({ message: reason }: Error) => reason);
  await jest.runAllTimersAsync();
  return [await answer, queries];
}

describe('src/client/query-retries', () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });

  afterEach(() => {
    jest.useRealTimers();
  });

  test('asks again, once, since the worker may have lost a workflow task', async () => {
    expect(await ask(LOST, 1)).toEqual(['here', 2]);
    expect(await ask(LOST, 99)).toEqual([LOST, 2]);
  });

  test('asks until a workflow task has handled the events of the workflow, and not for ever', async () => {
    expect(await ask(UNHANDLED_EVENTS, 5)).toEqual(['here', 6]);
    expect(await ask(UNHANDLED_EVENTS, 99)).toEqual([UNHANDLED_EVENTS, 10]);
  });

  test('does not ask workers again that do not know the query', async () => {
    const unknown = 'Workflow did not register a handler for progress';
    expect(await ask(unknown, 1)).toEqual([unknown, 1]);
  });
});
