/** The controllers whose pods were evicted, and whether they have as many pods as they want again. */
import { OspatchError } from '../domain/errors';
import type { WorkloadName } from '../domain/kubernetes';
import type { PodView } from '../domain/pod-filter';
import type { KubeSession } from './session';

const KINDS = ['Deployment', 'StatefulSet', 'ReplicaSet', 'ReplicationController', 'Job'];
const MAX_WORKLOADS = 50;
const LOOK_EVERY_MS = 3_000;

/** Each controller once; of a ReplicaSet the Deployment that made it. At most 50. */
export async function workloadsOf({ reach }: KubeSession, pods: readonly PodView[]): Promise<WorkloadName[]> {
  const found = new Map<string, WorkloadName>();
  const seen = new Set<string>();
  for (const { namespace, controller } of pods) {
    if (controller === null || seen.has(controller.uid) || !KINDS.includes(controller.kind)) continue;
    if (found.size >= MAX_WORKLOADS) break;
    seen.add(controller.uid);
    const owner =
      controller.kind === 'ReplicaSet' ? await reach((api) => api.ownerOfReplicaSet(namespace, controller.name)) : null;
    const { kind, name } = owner !== null && KINDS.includes(owner.kind) ? owner : controller;
    found.set(titleOf({ namespace, kind, name }), { namespace, kind, name });
  }
  return [...found.values()];
}

/** @throws OspatchError `Unhealthy` with those that are not available again */
export async function awaitWorkloads(
  session: KubeSession,
  { workloads, timeoutMs }: { workloads: readonly WorkloadName[]; timeoutMs: number },
): Promise<void> {
  const { reach, now, show, pause, target } = session;
  const until = now() + timeoutMs;
  let left = workloads;
  for (;;) {
    const missing: { workload: WorkloadName; what: string }[] = [];
    for (const workload of left) {
      const state = await reach((api) => api.readWorkload(workload));
      if (state === null || state.available >= state.wanted) continue;
      missing.push({ workload, what: `${titleOf(workload)} (${state.available} of ${state.wanted})` });
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

function titleOf({ namespace, kind, name }: WorkloadName): string {
  return `${kind} ${namespace}/${name}`;
}
