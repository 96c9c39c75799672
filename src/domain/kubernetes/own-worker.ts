/**
 * A worker that runs as a pod on the node it drains. Evicted as the only one, it would leave nobody who uncordons the node,
 * and while the node is cordoned, perhaps no place for its successor.
 */
import type { NodeWarning } from '../node/warning';
import type { PodView } from './pod-filter';
import type { OwnWorker, OwnWorkerFate, PodName } from './types';

/** Reason in a verdict, and in the counts of a preview. */
export const OWN_WORKER_STAYS = 'the only worker there is';

/**
 * What a drain does with the pod of its own worker. `siblings`: the pods of its namespace. Only a ready pod of the same
 * controller on another node counts as another worker: it has the same keys, settings and task queue.
 */
export function fateOf(own: PodView, siblings: readonly PodView[]): OwnWorkerFate {
  const { controller } = own;
  if (controller === null) return 'stays';
  const takesOver = siblings.some(
    (pod) =>
      pod.controller?.uid === controller.uid &&
      pod.ready &&
      pod.deletionAtMs === null &&
      pod.nodeName !== '' &&
      pod.nodeName !== own.nodeName,
  );
  return takesOver ? 'moves' : 'stays';
}

export function ownWorker(own: PodView, siblings: readonly PodView[]): OwnWorker {
  const { namespace, name } = own;
  const fate = fateOf(own, siblings);
  return { namespace, name, fate, warning: fate === 'stays' ? onlyWorker(own) : null };
}

function onlyWorker({ namespace, name }: PodName): NodeWarning {
  return {
    kind: 'only-worker',
    message: `the node runs the only worker that is ready (pod ${namespace}/${name}): the worker is not evicted, and when the node reboots the run waits until the worker is back with it`,
    remedy: 'run a second worker on another node (replicas: 2 in the Helm chart), or a worker outside of this cluster',
  };
}
