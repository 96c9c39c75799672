/** Who polls a task queue, as Temporal has seen lately. */
import type { TemporalSession } from './connection';

/** A worker that polled within this time counts as there; a long poll lasts a minute. */
const WORKER_SEEN_MS = 90_000;

/** Kinds of work that Temporal tells pollers of a task queue apart by. */
const KINDS = { workflows: 1, activities: 2 } as const;

/** Throws what Temporal's client throws. */
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
