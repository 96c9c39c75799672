/** Reads the facts of nodes that wait for a reboot or restarts: somebody may have done that by hand. Changes nothing there. */
import { isCancellation } from '@temporalio/workflow';
import type { NodeReading } from '../../domain/node/status';
import { readingFromFacts } from '../../domain/node/reading';
import type { IneffectiveReboot } from '../../domain/node/reboot';
import { taskQueueOf } from '../../domain/cluster/task-queues';
import type { NodeSpec } from '../../domain/spec/types';
import { SITE_ANSWERS_WITHIN, refreshFactsOnce } from '../shared/activity-options';
import { isNotTakenUp } from '../shared/failures';
import { defined } from '../../domain/shared/defined';
import { timestamp } from '../shared/timestamp';

/** How long a node may be unreachable before it is left to the next time. */
const UNREACHABLE_MS = 30_000;

export interface RefreshFactsInput {
  cluster: string;
  nodes: NodeSpec[];
  /** Of the nodes that name none. Absent: that of the workflows. */
  taskQueue?: string;
  /** By node: the reboot that did not help, where the cluster remembers one. */
  ineffective: Record<string, IneffectiveReboot>;
}

export interface RefreshedNode {
  node: string;
  reading: NodeReading;
}

/** One node after the other. A node that cannot be read is left out. */
export async function refreshFacts({
  cluster,
  nodes,
  ineffective,
  ...site
}: RefreshFactsInput): Promise<RefreshedNode[]> {
  const refreshed: RefreshedNode[] = [];
  const withoutWorker = new Set<string | undefined>();
  for (const node of nodes) {
    const taskQueue = taskQueueOf(node, site);
    // One node of a site without a worker is enough to wait for.
    if (withoutWorker.has(taskQueue)) continue;
    const { name, host, ssh, hostKeys } = node;
    const target = { cluster, name, host, ssh, hostKeys };
    const atSite = defined({
      taskQueue,
      scheduleToStartTimeout: taskQueue === undefined ? undefined : SITE_ANSWERS_WITHIN,
    });
    try {
      const facts = await refreshFactsOnce.readFacts.executeWithOptions(
        { summary: `${name}: refresh facts`, ...atSite },
        [{ target, unreachableTimeoutMs: UNREACHABLE_MS }],
      );
      refreshed.push({ node: name, reading: readingFromFacts(facts, ineffective[name] ?? null, timestamp(), null) });
    } catch (failure) {
      if (isCancellation(failure)) break;
      if (isNotTakenUp(failure)) withoutWorker.add(taskQueue);
    }
  }
  return refreshed;
}
