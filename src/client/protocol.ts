/** Reads from the failure of an activity which protocol its workers lack. */
import { ApplicationFailure } from '@temporalio/common';
import { temporal } from '@temporalio/proto';
import { readProtocolHeader, waitsForProtocol } from '../contract/protocol';

type PendingActivity = temporal.api.workflow.v1.IPendingActivityInfo;

/** What an activity rejected because of its protocol waits for, as text; null for other failures. */
export function waitsForOtherWorker(
  { state }: PendingActivity,
  failure: Error | undefined,
  taskQueue: string,
): string | null {
  if (state !== temporal.api.enums.v1.PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED) return null;
  if (!(failure instanceof ApplicationFailure) || failure.type !== 'WorkerProtocol') return null;
  const info: unknown = failure.details?.[0];
  const details = typeof info === 'object' && info !== null && 'details' in info ? info.details : null;
  const needed =
    typeof details === 'object' && details !== null && 'needed' in details ? readProtocolHeader(details.needed) : null;
  return needed === null
    ? `a worker of task queue ${taskQueue} of the same version as the workflows`
    : waitsForProtocol(taskQueue, needed);
}
