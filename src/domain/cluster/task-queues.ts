/** Sites: nodes in separate networks are reached by workers that poll a task queue of their own. */
import { isSelfManaged } from './state';
import { isEks } from '../eks/node-groups';
import type { ErrorInfo } from '../shared/errors';
import type { ClusterSpec, NodeTarget, SelfManagedSpec } from '../spec/types';
import { defined } from '../shared/defined';

interface HasTaskQueue {
  taskQueue?: string;
}

/** The task queue of the workers that reach a node; undefined: that of the workflows. */
export function taskQueueOf(node: HasTaskQueue, cluster: HasTaskQueue): string | undefined {
  return node.taskQueue ?? cluster.taskQueue;
}

/** The distinct task queues of the sites of the cluster and its nodes. */
export function taskQueuesOf(spec: ClusterSpec): string[] {
  if (isEks(spec)) return spec.taskQueue === undefined ? [] : [spec.taskQueue];
  if (!isSelfManaged(spec)) return [];
  return [...new Set(spec.nodes.flatMap((node) => taskQueueOf(node, spec) ?? []))].sort();
}

/** What a node without a worker at its site waits for. */
export function waitsForWorker(taskQueue: string): string {
  return `a worker of task queue ${taskQueue}`;
}

/** The error of an inspection of such a node. */
export function noWorkerAtSite(node: string, taskQueue: string): ErrorInfo {
  return {
    type: 'NoWorker',
    message: `${node} is waiting for ${waitsForWorker(taskQueue)}: no worker started the task in time`,
    remedy: `run \`ospatch worker --task-queue ${taskQueue}\` where ${node} can be reached`,
  };
}

/** A node to be inspected, with its task queue and its Kubernetes cluster. */
export interface NodeAddress extends NodeTarget {
  kubernetesName?: string;
  taskQueue?: string;
}

export function nodeAddresses(spec: SelfManagedSpec): NodeAddress[] {
  return spec.nodes.map((node) => {
    const { name, host, ssh, hostKeys, kubernetesName } = node;
    const taskQueue = taskQueueOf(node, spec);
    return {
      cluster: spec.name,
      name,
      host,
      ssh,
      hostKeys,
      ...defined({ kubernetesName, taskQueue }),
    };
  });
}
