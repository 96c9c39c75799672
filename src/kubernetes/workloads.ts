/** The controllers whose pods were evicted, and whether they have as many pods available as before. */
import { OspatchError } from '../domain/errors';
import type { EvictedWorkload, WorkloadName } from '../domain/kubernetes';
import type { PodView } from '../domain/pod-filter';
import type { WorkloadState } from './api';
import type { KubeSession } from './session';

/** Those that say how many of their pods are available. Jobs run to an end; of others only their own operator knows. */
const KINDS = ['Deployment', 'StatefulSet', 'ReplicaSet', 'ReplicationController'];
const MAX_WORKLOADS = 50;
const LOOK_EVERY_MS = 3_000;

/**
 * The known ones, and those of pods that are about to be evicted: each controller once, of a ReplicaSet the Deployment
 * that made it, with what is available now. At most 50.
 */
export async function addWorkloads(
  { reach }: KubeSession,
  known: readonly EvictedWorkload[],
  pods: readonly PodView[],
): Promise<EvictedWorkload[]> {
  // What an earlier attempt has measured was before the first eviction.
  const found = new Map(known.map((one) => [titleOf(one), one]));
  const seen = new Set<string>();
  for (const { namespace, controller } of pods) {
    if (controller === null || seen.has(controller.uid) || !KINDS.includes(controller.kind)) continue;
    if (found.size >= MAX_WORKLOADS) break;
    seen.add(controller.uid);
    const owner =
      controller.kind === 'ReplicaSet' ? await reach((api) => api.ownerOfReplicaSet(namespace, controller.name)) : null;
    const { kind, name } = owner !== null && KINDS.includes(owner.kind) ? owner : controller;
    const workload = { namespace, kind, name };
    if (found.has(titleOf(workload))) continue;
    const state = await reach((api) => api.readWorkload(workload));
    found.set(titleOf(workload), state === null ? workload : { ...workload, availableBefore: state.available });
  }
  return [...found.values()];
}

/**
 * Waits until each has as many pods available as before the drain, or as it wants by now; what was short already is not
 * the drain's doing.
 * @throws OspatchError `Unhealthy` with those that have not
 */
export async function awaitWorkloads(
  session: KubeSession,
  { workloads, timeoutMs }: { workloads: readonly EvictedWorkload[]; timeoutMs: number },
): Promise<void> {
  const { reach, now, show, pause, target } = session;
  const until = now() + timeoutMs;
  let left = workloads;
  for (;;) {
    const missing: { workload: EvictedWorkload; what: string }[] = [];
    for (const workload of left) {
      const state = await reach((api) => api.readWorkload(workload));
      if (state === null || isBack(workload, state)) continue;
      missing.push({ workload, what: `${titleOf(workload)} (${state.available} of ${enough(workload, state)})` });
    }
    const [first] = missing;
    if (first === undefined) return;
    left = missing.map(({ workload }) => workload);
    if (now() >= until) {
      throw new OspatchError({
        type: 'Unhealthy',
        message: `the workloads that left ${target.node} are not available again: ${missing
          .slice(0, 5)
          .map(({ what }) => what)
          .join(', ')}${missing.length > 5 ? ` and ${missing.length - 5} more` : ''}.`,
        remedy: 'see kubectl describe of these and of their pods',
      });
    }
    show({
      done: workloads.length - missing.length,
      total: workloads.length,
      waitingFor: `${first.what} to be available again`,
    });
    await pause(LOOK_EVERY_MS);
  }
}

function isBack(workload: EvictedWorkload, state: WorkloadState): boolean {
  return state.isObserved && state.available >= enough(workload, state);
}

function enough({ availableBefore }: EvictedWorkload, { wanted }: WorkloadState): number {
  return Math.min(availableBefore ?? wanted, wanted);
}

function titleOf({ namespace, kind, name }: WorkloadName): string {
  return `${kind} ${namespace}/${name}`;
}
