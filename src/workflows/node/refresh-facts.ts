/** Reads the facts of nodes that wait for a reboot or restarts: somebody may have done that by hand. Changes nothing there. */
import { isCancellation } from '@temporalio/workflow';
import type { NodeReading } from '../../domain/node/status';
import { readingFromFacts } from '../../domain/node/reading';
import type { IneffectiveReboot } from '../../domain/node/reboot';
import { taskQueueOf } from '../../domain/cluster/task-queues';
import type { NodeSpec } from '../../domain/spec/types';
import { SITE_ANSWERS_WITHIN, refreshFactsOnce } from '../shared/activity-options';
import { isNotTakenUp } from '../shared/failures';
import { failOnBadInput } from '../shared/short-lived';
import { defined } from '../../domain/shared/defined';
import { timestamp } from '../shared/timestamp';

/** How long a node may be unreachable before it is left to the next time. */
const UNREACHABLE_MS = 30_000;

/** At each site. Nodes that are unreachable must not hold up the others, and work on nodes must find free slots. */
const AT_ONCE = 16;

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

/** A node that cannot be read is left out. */
export async function refreshFacts(input: RefreshFactsInput): Promise<RefreshedNode[]> {
  return failOnBadInput(() => refreshAll(input));
}

async function refreshAll(input: RefreshFactsInput): Promise<RefreshedNode[]> {
  const refreshed: RefreshedNode[] = [];
  const sites = new Map<string | undefined, NodeSpec[]>();
  for (const node of input.nodes) {
    const taskQueue = taskQueueOf(node, input);
    sites.set(taskQueue, [...(sites.get(taskQueue) ?? []), node]);
  }
  await Promise.all([...sites].map((site) => refreshSite(input, site, refreshed)));
  return refreshed;
}

async function refreshSite(
  input: RefreshFactsInput,
  [taskQueue, nodes]: [string | undefined, NodeSpec[]],
  refreshed: RefreshedNode[],
): Promise<void> {
  const queue = [...nodes];
  let isOver = false;
  const next = async (): Promise<void> => {
    const node = queue.shift();
    if (node === undefined) return;
    try {
      refreshed.push(await refreshNode(input, taskQueue, node));
    } catch (failure) {
      isOver ||= isCancellation(failure) || isNotTakenUp(failure);
    }
  };
  // One node of a site without a worker is enough to wait for.
  await next();
  const work = async (): Promise<void> => {
    while (!isOver && queue.length > 0) await next();
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

async function refreshNode(
  { cluster, ineffective }: RefreshFactsInput,
  taskQueue: string | undefined,
  { name, host, ssh, hostKeys }: NodeSpec,
): Promise<RefreshedNode> {
  const target = { cluster, name, host, ssh, hostKeys };
  const atSite = defined({
    taskQueue,
    scheduleToStartTimeout: taskQueue === undefined ? undefined : SITE_ANSWERS_WITHIN,
  });
  const facts = await refreshFactsOnce.readFacts.executeWithOptions({ summary: `${name}: refresh facts`, ...atSite }, [
    { target, unreachableTimeoutMs: UNREACHABLE_MS },
  ]);
  return { node: name, reading: readingFromFacts(facts, ineffective[name] ?? null, timestamp(), null) };
}
