/** Cordons by ospatch on any node of a Kubernetes cluster. */
import { cordonState } from '../../domain/kubernetes/cordon';
import type { CordonOwner } from '../../domain/kubernetes/types';
import type { KubeSession } from '../session';

export async function findStaleCordons(
  { reach }: KubeSession,
  cluster: string,
): Promise<{ nodeName: string; owner: CordonOwner }[]> {
  const nodes = await reach((api) => api.listNodes());
  return nodes.flatMap((node) => {
    const { by, owner } = cordonState(node);
    return by === 'ospatch' && owner?.cluster === cluster ? [{ nodeName: node.name, owner }] : [];
  });
}
