/** Ending calls to the Temporal server early, without what the SDK leaves behind. */
import { setMaxListeners } from 'node:events';

/** What the client and the connection of the SDK have in common. */
interface Caller {
  withAbortSignal<T>(signal: AbortSignal, body: () => Promise<T>): Promise<T>;
}

/**
 * Like `withAbortSignal` of the SDK, which never removes the listeners it adds to `signal`, one for each call: with a
 * signal that outlives `body`, memory would grow, and Node.js warns of the eleventh.
 */
export async function withAbortSignal<T>(caller: Caller, signal: AbortSignal, body: () => Promise<T>): Promise<T> {
  const own = new AbortController();
  setMaxListeners(Infinity, own.signal);
  const abort = (): void => own.abort(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await caller.withAbortSignal(own.signal, body);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
