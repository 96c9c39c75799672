/** Counts the workers that poll a task queue, as reported by Temporal. */
import type { TemporalSession } from './connection';

/** A worker counts as running if it polled within this time; a long poll lasts a minute. */
const WORKER_SEEN_MS = 90_000;

/** Temporal's task queue types. */
const KINDS = { workflows: 1, activities: 2 } as const;

/** Throws the errors of Temporal's client. */
export async function countPollers(
  { client, namespace }: TemporalSession,
  taskQueue: string,
  kind: keyof typeof KINDS,
): Promise<number> {
  const request = { namespace, taskQueue: { name: taskQueue }, taskQueueType: KINDS[kind] };
  const { pollers } = await client.workflowService.describeTaskQueue(request);
  const since = Date.now() - WORKER_SEEN_MS;
  return (pollers ?? []).filter(({ lastAccessTime }) => Number(lastAccessTime?.seconds ?? 0) * 1000 >= since).length;
}
