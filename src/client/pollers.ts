/** The workers that poll a task queue, as reported by Temporal. */
import type { temporal } from '@temporalio/proto';
import type { Poller, QueueSeen, WorkerVersion } from '../domain/inspection/workers';
import type { TemporalSession } from './connection';

/** A worker counts as running if it polled within this time; a long poll lasts a minute. */
export const WORKER_SEEN_MS = 90_000;

/** Temporal's task queue types. */
const KINDS = { workflows: 1, activities: 2 } as const;

export type QueueKind = keyof typeof KINDS;

/** `WORKER_VERSIONING_MODE_VERSIONED` */
const VERSIONED = 2;

type Version = temporal.api.deployment.v1.IWorkerDeploymentVersion;

type Described = temporal.api.workflowservice.v1.IDescribeTaskQueueResponse;

function describe({ client, namespace }: TemporalSession, taskQueue: string, kind: QueueKind): Promise<Described> {
  const request = { namespace, taskQueue: { name: taskQueue }, taskQueueType: KINDS[kind] };
  return client.workflowService.describeTaskQueue(request);
}

/** A poller; `lastPoll` can be compared with that of another call. */
export interface ListedPoller extends Poller {
  lastPoll: string;
}

/**
 * All that the server lists: who has polled within the last 5 minutes, by the clock of the server. Throws the errors of Temporal's
 * client.
 */
export async function listQueue(
  session: TemporalSession,
  taskQueue: string,
  kind: QueueKind,
): Promise<QueueSeen & { pollers: ListedPoller[] }> {
  const { pollers, versioningInfo } = await describe(session, taskQueue, kind);
  return {
    pollers: (pollers ?? []).map((one) => ({
      ...pollerOf(one),
      lastPoll: `${String(one.lastAccessTime?.seconds ?? 0)}.${one.lastAccessTime?.nanos ?? 0}`,
    })),
    receivers: receiversOf(versioningInfo),
  };
}

/**
 * By the clock of this machine: a worker that polls is missed when the clock is more than half a minute ahead of the server's.
 * Throws the errors of Temporal's client.
 */
export async function readQueue(session: TemporalSession, taskQueue: string, kind: QueueKind): Promise<QueueSeen> {
  const { pollers, versioningInfo } = await describe(session, taskQueue, kind);
  const since = Date.now() - WORKER_SEEN_MS;
  return {
    pollers: (pollers ?? [])
      .filter(({ lastAccessTime }) => Number(lastAccessTime?.seconds ?? 0) * 1000 >= since)
      .map(pollerOf),
    receivers: receiversOf(versioningInfo),
  };
}

function pollerOf({ identity, deploymentOptions }: temporal.api.taskqueue.v1.IPollerInfo): Poller {
  const isVersioned = deploymentOptions?.workerVersioningMode === VERSIONED;
  return { identity: identity ?? '', version: isVersioned ? versionOf(deploymentOptions) : null };
}

function receiversOf(info: Described['versioningInfo']): (WorkerVersion | null)[] {
  const { currentDeploymentVersion, rampingDeploymentVersion, rampingVersionPercentage } = info ?? {};
  const isRamping = (rampingVersionPercentage ?? 0) > 0;
  return [versionOf(currentDeploymentVersion), ...(isRamping ? [versionOf(rampingDeploymentVersion)] : [])];
}

/** Throws the errors of Temporal's client. */
export async function countPollers(session: TemporalSession, taskQueue: string, kind: QueueKind): Promise<number> {
  return (await readQueue(session, taskQueue, kind)).pollers.length;
}

/** Null: no version. */
export function versionOf(version: Version | null | undefined): WorkerVersion | null {
  const { deploymentName, buildId } = version ?? {};
  return deploymentName && buildId ? { deployment: deploymentName, buildId } : null;
}
