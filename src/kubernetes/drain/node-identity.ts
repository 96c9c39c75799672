/** Verifies that the Node object and the machine reached over SSH are the same. */
import { OspatchError } from '../../domain/shared/errors';
import { plainText } from '../../domain/shared/text';
import type { NodeView } from '../client/api';
import type { KubeNode, MachineIdentity } from '../../domain/kubernetes/types';
import type { KubeSession } from '../session';

const MAX_ID = 64;

/**
 * The Node object of the target.
 * @throws OspatchError `WrongNode` when it does not exist or belongs to another machine
 */
export async function readOwnNode({ reach, target }: KubeSession, machine: MachineIdentity | null): Promise<NodeView> {
  const node = await reach((api) => api.readNode(target.nodeName));
  if (node === null) {
    throw wrongNode(
      target,
      `Kubernetes has no node ${target.nodeName}`,
      `set the kubernetesName of node ${target.node} in the spec to a name that \`kubectl get nodes\` shows, or correct kubeconfig and context`,
    );
  }
  if (machine !== null) checkMachine(target, node, machine);
  return node;
}

function checkMachine(target: KubeNode, node: NodeView, machine: MachineIdentity): void {
  for (const [what, here, there] of [
    ['machine id', machine.machineId, node.machineId],
    ['boot id', machine.bootId, node.bootId],
  ] as const) {
    if (there === '') throw wrongNode(target, `the Node object ${node.name} reports no ${what}`);
    if (here === '') throw wrongNode(target, `${target.node} reports no ${what}`);
    if (!isSameId(here, there)) {
      throw wrongNode(
        target,
        `the Node object ${node.name} is of another machine: its ${what} is ${plainText(there, MAX_ID)}, that of ${target.node} is ${plainText(here, MAX_ID)}`,
      );
    }
  }
}

/** Kubelets write ids like the kernel or in upper case, with or without hyphens. */
export function isSameId(a: string, b: string): boolean {
  return normal(a) === normal(b);
}

function normal(id: string): string {
  return id.trim().toLowerCase().replaceAll('-', '');
}

function wrongNode(target: KubeNode, why: string, remedy?: string): OspatchError {
  return new OspatchError({
    type: 'WrongNode',
    message: `${target.node} was not touched in Kubernetes: ${why}`,
    remedy: remedy ?? `check the kubernetesName of node ${target.node} in the spec, and kubeconfig and context`,
  });
}
