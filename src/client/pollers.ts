/** The workers that poll a task queue, as reported by Temporal. */
import type { temporal } from '@temporalio/proto';
import type { QueueSeen, WorkerVersion } from '../domain/inspection/workers';
import type { TemporalSession } from './connection';

/** A worker counts as running if it polled within this time; a long poll lasts a minute. */
const WORKER_SEEN_MS = 90_000;

/** Temporal's task queue types. */
const KINDS = { workflows: 1, activities: 2 } as const;

/** `WORKER_VERSIONING_MODE_VERSIONED` */
const VERSIONED = 2;

type Version = temporal.api.deployment.v1.IWorkerDeploymentVersion;

/** Throws the errors of Temporal's client. */
export async function readQueue(
  { client, namespace }: TemporalSession,
  taskQueue: string,
  kind: keyof typeof KINDS,
): Promise<QueueSeen> {
  const request = { namespace, taskQueue: { name: taskQueue }, taskQueueType: KINDS[kind] };
  const { pollers, versioningInfo } = await client.workflowService.describeTaskQueue(request);
  const since = Date.now() - WORKER_SEEN_MS;
  const { currentDeploymentVersion, rampingDeploymentVersion, rampingVersionPercentage } = versioningInfo ?? {};
  const isRamping = (rampingVersionPercentage ?? 0) > 0;
  return {
    pollers: (pollers ?? [])
      .filter(({ lastAccessTime }) => Number(lastAccessTime?.seconds ?? 0) * 1000 >= since)
      .map(({ identity, deploymentOptions }) => {
        const isVersioned = deploymentOptions?.workerVersioningMode === VERSIONED;
        return { identity: identity ?? '', version: isVersioned ? versionOf(deploymentOptions) : null };
      }),
    receivers: [versionOf(currentDeploymentVersion), ...(isRamping ? [versionOf(rampingDeploymentVersion)] : [])],
  };
}

/** Throws the errors of Temporal's client. */
export async function countPollers(
  session: TemporalSession,
  taskQueue: string,
  kind: keyof typeof KINDS,
): Promise<number> {
  return (await readQueue(session, taskQueue, kind)).pollers.length;
}

/** Null: no version. */
export function versionOf(version: Version | null | undefined): WorkerVersion | null {
  const { deploymentName, buildId } = version ?? {};
  return deploymentName && buildId ? { deployment: deploymentName, buildId } : null;
}
