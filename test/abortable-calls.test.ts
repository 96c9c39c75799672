import { getEventListeners, getMaxListeners } from 'node:events';
import { Connection } from '@temporalio/client';
import { withAbortSignal } from '../src/abortable-calls';

/** Nobody listens there. */
const ADDRESS = '127.0.0.1:1';

const failingCall = (connection: Connection): Promise<unknown> =>
  connection.withDeadline(Date.now() + 100, () => connection.workflowService.getSystemInfo({})).catch(() => undefined);

describe('src/abortable-calls', () => {
  it('leaves no listener on a signal that outlives many calls, and Node.js nothing to warn of', async () => {
    const connection = Connection.lazy({ address: ADDRESS });
    const { signal } = new AbortController();

    let own = signal;
    const caller = {
      withAbortSignal: <T>(given: AbortSignal, body: () => Promise<T>): Promise<T> =>
        connection.withAbortSignal((own = given), body),
    };

    await withAbortSignal(caller, signal, () => Promise.all(Array.from({ length: 12 }, () => failingCall(connection))));

    expect(getEventListeners(signal, 'abort')).toEqual([]);
    // What warns is the process of Node.js, which tests do not see.
    expect(getEventListeners(own, 'abort')).toHaveLength(12);
    expect(getMaxListeners(own)).toBe(Infinity);
    await connection.close();
  });

  it.each(['before', 'during'])('aborts the calls of the body when the signal fires %s it', async (when) => {
    const connection = Connection.lazy({ address: ADDRESS });
    const abort = new AbortController();
    if (when === 'before') abort.abort(new Error('stop'));

    const seen = await withAbortSignal(
      {
        withAbortSignal: async (signal, body) => {
          if (when === 'during') abort.abort(new Error('stop'));
          await body();
          return signal.reason;
        },
      },
      abort.signal,
      () => Promise.resolve(),
    );

    expect(seen).toEqual(new Error('stop'));
    await connection.close();
  });
});
