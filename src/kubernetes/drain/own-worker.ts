/** Finds the pod of this worker among the pods of the node that is drained. */
import type { OwnWorker } from '../../domain/kubernetes/types';
import { ownWorker } from '../../domain/kubernetes/own-worker';
import type { PodView } from '../../domain/kubernetes/pod-filter';
import type { KubeSession } from '../session';

/** The setting with the UID of the pod in which a worker runs; the Helm chart takes the UID from the downward API. */
export const POD_UID_SETTING = 'OSPATCH_POD_UID';

/** The UID of the pod in which this process runs; null outside of Kubernetes. */
export function podUidFromEnv(env: Readonly<Record<string, string | undefined>>): string | null {
  return env[POD_UID_SETTING] || null;
}

/** Null: this worker does not run on the node. */
export async function ownWorkerAmong(session: KubeSession, pods: readonly PodView[]): Promise<OwnWorker | null> {
  const own = session.podUid === null ? undefined : pods.find(({ uid }) => uid === session.podUid);
  if (own === undefined) return null;
  return ownWorker(own, await session.reach((api) => api.podsByLabel(own.namespace, '')));
}
