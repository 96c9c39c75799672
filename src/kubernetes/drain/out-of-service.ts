/** Nodes of a Kubernetes cluster that take no pods, whoever is to blame. */
import type { NodeView } from '../client/api';
import type { KubeSession } from '../session';

/** Which of `nodeNames` are missing, not Ready or cordoned. One list of all nodes. */
export async function nodesOutOfService({ reach }: KubeSession, nodeNames: readonly string[]): Promise<string[]> {
  const nodes = new Map((await reach((api) => api.listNodes())).map((node) => [node.name, node]));
  return nodeNames.filter((name) => {
    const node = nodes.get(name);
    return node === undefined || isOutOfService(node);
  });
}

function isOutOfService({ unschedulable, conditions }: NodeView): boolean {
  return unschedulable || conditions['Ready']?.status !== 'True';
}
