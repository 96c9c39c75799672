/** The controllers of evicted pods, and whether they have as many available pods as before. */
import { OspatchError } from '../../domain/shared/errors';
import type { EvictedWorkload, WorkloadName } from '../../domain/kubernetes/types';
import type { ControllerRef, PodView } from '../../domain/kubernetes/pod-filter';
import type { WorkloadState } from '../client/api';
import type { KubeSession } from '../session';
import { mapConcurrently } from '../../domain/shared/map-concurrently';

/**
 * Controllers that report available pods. Jobs run to completion; other controllers are known only to their operators.
 */
const KINDS = ['apps/v1 Deployment', 'apps/v1 StatefulSet', 'apps/v1 ReplicaSet', 'v1 ReplicationController'];
const MAX_WORKLOADS = 50;
/** The drain waits for all of these requests. */
const AT_ONCE = 10;
const LOOK_EVERY_MS = 3_000;

/**
 * The known workloads plus those of pods about to be evicted: each controller once, with the Deployment in place of its
 * ReplicaSet, and with the currently available pods. At most 50.
 */
export async function addWorkloads(
  session: KubeSession,
  known: readonly EvictedWorkload[],
  pods: readonly PodView[],
): Promise<EvictedWorkload[]> {
  // Counts of an earlier attempt were taken before the first eviction.
  const found = new Map(known.map((one) => [titleOf(one), one]));
  const controllers = new Map(
    pods.flatMap(({ namespace, controller }) =>
      controller !== null && isKept(controller) ? [[controller.uid, { namespace, controller }] as const] : [],
    ),
  );
  await mapConcurrently([...controllers.values()], AT_ONCE, async ({ namespace, controller }) => {
    if (found.size >= MAX_WORKLOADS) return;
    const workload = await workloadOf(session, namespace, controller);
    if (workload === null || found.has(titleOf(workload))) return;
    const state = await session.reach((api) => api.readWorkload(workload));
    found.set(titleOf(workload), state === null ? workload : { ...workload, availableBefore: state.available });
  });
  return [...found.values()].slice(0, MAX_WORKLOADS);
}

/** The controller of a pod, or its Deployment; null when it does not report available pods. */
export async function workloadOf(
  { reach }: KubeSession,
  namespace: string,
  controller: ControllerRef,
): Promise<WorkloadName | null> {
  if (!isKept(controller)) return null;
  const owner =
    controller.kind === 'ReplicaSet' ? await reach((api) => api.ownerOfReplicaSet(namespace, controller.name)) : null;
  const { kind, name } = owner !== null && isKept(owner) ? owner : controller;
  return { namespace, kind, name };
}

function isKept({ apiVersion, kind }: ControllerRef): boolean {
  return KINDS.includes(`${apiVersion} ${kind}`);
}

/**
 * Waits until each workload has as many available pods as before the drain, or as many as it wants now; a shortage from
 * before does not count.
 * @throws OspatchError `Unhealthy` with the unavailable workloads
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
          .join(', ')}${missing.length > 5 ? ` and ${missing.length - 5} more` : ''}`,
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
