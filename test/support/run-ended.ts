import type { ClusterClient } from '../../src/client/cluster-client';
import { isTransient } from '../../src/client/errors';
import type { LiveStatus } from '../../src/client/live-status';
import { waitFor } from './wait-for';

export const RUN_TIMEOUT_MS = 300_000;

/**
 * Waits until run `number` of `cluster` has ended. Like `patch --wait`, it looks again when the server or the worker is
 * away for a moment. Through the API, since the program takes half a second of processor time for each look.
 */
export function runEnded(
  client: ClusterClient,
  cluster: string,
  number: number,
  timeoutMs = RUN_TIMEOUT_MS,
): Promise<LiveStatus> {
  return waitFor(
    async () => {
      const status = await client.status(cluster).catch(nullWhenPassing);
      return status?.run === null && (status.lastRun?.number ?? 0) >= number ? status : null;
    },
    { what: `the end of run ${number} of ${cluster}`, timeoutMs, pollMs: 500 },
  );
}

/** For `catch`: whoever asks again later has no answer yet while the server or the worker is away for a moment. */
export function nullWhenPassing(error: unknown): null {
  if (isTransient(error)) return null;
  throw error;
}
