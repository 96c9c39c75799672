/** Who runs the control plane, from its pods where they can be seen, from the roles of nodes where not. */
import { cordonState } from '../domain/cordon';
import type { ControlPlane, ControlPlaneMember } from '../domain/quorum';
import type { PodView } from '../domain/pod-filter';
import { hasEnded } from '../domain/pod-filter';
import type { NodeView } from './api';
import type { KubeSession } from './session';

const NAMESPACE = 'kube-system';

/** Labels of kubeadm's and rke2's static pods. */
const ETCD = 'etcd';
const API_SERVER = 'kube-apiserver';

const CONTROL_PLANE_ROLES = ['node-role.kubernetes.io/control-plane', 'node-role.kubernetes.io/master'];

/** K3s and rke2 say so of nodes on which they run etcd in their own process. */
const ETCD_ROLE = 'node-role.kubernetes.io/etcd';

/** Null when the node has no part in it. */
export async function readControlPlane({ reach, target }: KubeSession): Promise<ControlPlane | null> {
  const pods = await reach((api) => api.podsByLabel(NAMESPACE, `component in (${ETCD},${API_SERVER})`));
  const nodes = await reach((api) => api.listNodes());
  const own = nodes.find(({ name }) => name === target.nodeName);
  const hasPart = pods.some(({ nodeName }) => nodeName === target.nodeName) || (own !== undefined && hasRole(own));
  if (!hasPart) return null;

  const byName = new Map(nodes.map((node) => [node.name, node]));
  const members = (component: string): ControlPlaneMember[] =>
    pods
      .filter((pod) => pod.labels['component'] === component && !hasEnded(pod) && isStatic(pod))
      .map(({ nodeName, ready }) => ({ nodeName, ready, inWork: isInWork(byName.get(nodeName)) }));
  const etcd = members(ETCD);
  return {
    etcd: etcd.length > 0 ? etcd : nodes.filter(({ labels }) => labels[ETCD_ROLE] === 'true').map(asMember),
    apiServers: members(API_SERVER),
    nodes: nodes.filter(hasRole).map(asMember),
  };
}

/** A workload in kube-system may carry such a label too; a member is a static pod, or belongs to no controller. */
function isStatic(pod: PodView): boolean {
  return pod.isMirror || pod.controller === null || pod.controller.kind === 'Node';
}

function asMember(node: NodeView): ControlPlaneMember {
  return { nodeName: node.name, ready: node.conditions['Ready']?.status === 'True', inWork: isInWork(node) };
}

function isInWork(node: NodeView | undefined): boolean {
  return node !== undefined && cordonState(node).by === 'ospatch';
}

function hasRole({ labels }: NodeView): boolean {
  return CONTROL_PLANE_ROLES.some((role) => Object.hasOwn(labels, role)) || labels[ETCD_ROLE] === 'true';
}
