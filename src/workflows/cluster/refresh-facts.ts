/** Reads the facts of nodes that wait for a reboot: somebody may have rebooted them by hand. */
import type { ClusterState } from '../../domain/cluster/state';
import { isSelfManaged, readNode } from '../../domain/cluster/state';
import { taskQueueOf } from '../../domain/cluster/task-queues';
import type { NodeTarget } from '../../domain/spec/types';
import { SITE_ANSWERS_WITHIN, refreshFactsOnce } from '../shared/activity-options';
import { isNotTakenUp } from '../shared/failures';

/** How long a reboot-pending node may be unreachable before the look at it is put off to the next time. */
const UNREACHABLE_MS = 30_000;

/** Looks at the nodes `names`, one after the other, and writes what they say into `state`. Never throws. */
export async function refreshFacts(state: ClusterState, names: readonly string[]): Promise<void> {
  const runsBefore = state.nextRun;
  const withoutWorker = new Set<string | undefined>();
  for (const name of names) {
    const spec = isSelfManaged(state.spec) ? state.spec.nodes.find((node) => node.name === name) : undefined;
    // A run knows the node better than this look does.
    if (spec === undefined || state.nextRun !== runsBefore) continue;
    const taskQueue = taskQueueOf(spec, isSelfManaged(state.spec) ? state.spec : {});
    // One node of a site without a worker is enough to wait for.
    if (withoutWorker.has(taskQueue)) continue;
    const { host, ssh, hostKeys } = spec;
    const target = { cluster: state.spec.name, name, host, ssh, hostKeys };
    if ((await refreshOne(state, target, taskQueue)) === 'no-worker') withoutWorker.add(taskQueue);
  }
}

async function refreshOne(state: ClusterState, target: NodeTarget, taskQueue?: string): Promise<'ended' | 'no-worker'> {
  const runsBefore = state.nextRun;
  const atSite = taskQueue === undefined ? {} : { taskQueue, scheduleToStartTimeout: SITE_ANSWERS_WITHIN };
  try {
    const facts = await refreshFactsOnce.readFacts.executeWithOptions(
      { summary: `${target.name}: does it still wait for a reboot?`, ...atSite },
      [{ target, unreachableTimeoutMs: UNREACHABLE_MS }],
    );
    if (state.nextRun !== runsBefore) return 'ended';
    readNode(state, target.name, facts, new Date(Date.now()).toISOString());
  } catch (failure) {
    // A node that cannot be reached now is looked at again the next time; nothing was asked of it.
    if (isNotTakenUp(failure)) return 'no-worker';
  }
  return 'ended';
}
