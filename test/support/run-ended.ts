import type { ClusterClient } from '../../src/client/cluster-client';
import { isTransient } from '../../src/client/errors';
import type { LiveStatus } from '../../src/client/live-status';
import { waitFor } from './wait-for';

export const RUN_TIMEOUT_MS = 300_000;

/**
 * Waits until run `number` of `cluster` has ended. Like `patch --wait`, polls on when the server or the worker is
 * unavailable for a moment. Through the API, since the program costs half a second of processor time per poll.
 */
export function runEnded(
  client: ClusterClient,
  cluster: string,
  number: number,
  timeoutMs = RUN_TIMEOUT_MS,
): Promise<LiveStatus> {
  return waitFor(
    async () => {
      const status = await client.status(cluster).catch(nullWhenTransient);
      return status?.run === null && (status.lastRun?.number ?? 0) >= number ? status : null;
    },
    { what: `the end of run ${number} of ${cluster}`, timeoutMs, pollMs: 500 },
  );
}

/** For `catch`: a later poll may succeed when the server or the worker is unavailable for a moment. */
export function nullWhenTransient(error: unknown): null {
  if (isTransient(error)) return null;
  throw error;
}
