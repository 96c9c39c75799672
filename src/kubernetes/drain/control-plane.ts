/**
 * Members and health of the control plane: from static pods, from the etcd conditions of k3s and rke2 nodes, and from
 * the health checks of the API server. Node roles are the fallback when none of these are visible.
 */
import { cordonState } from '../../domain/kubernetes/cordon';
import type { ControlPlane, ControlPlaneMember } from '../../domain/kubernetes/quorum';
import type { PodView } from '../../domain/kubernetes/pod-filter';
import { hasEnded } from '../../domain/kubernetes/pod-filter';
import type { NodeView } from '../client/api';
import type { KubeSession } from '../session';

const NAMESPACE = 'kube-system';

/** Labels of kubeadm's and rke2's static pods. */
const ETCD = 'etcd';
const API_SERVER = 'kube-apiserver';

const CONTROL_PLANE_ROLES = ['node-role.kubernetes.io/control-plane', 'node-role.kubernetes.io/master'];

/** Label of k3s and rke2 nodes that run etcd in process. */
const ETCD_ROLE = 'node-role.kubernetes.io/etcd';

/** Condition of k3s and rke2 nodes whose etcd is a healthy voter; learners and lost members do not have it. */
const ETCD_CONDITION = 'EtcdIsVoter';

/** Null when the node is not part of the control plane. */
export async function readControlPlane({ reach, target }: KubeSession): Promise<ControlPlane | null> {
  const pods = await reach((api) => api.podsByLabel(NAMESPACE, `component in (${ETCD},${API_SERVER})`));
  const nodes = await reach((api) => api.listNodes());
  const own = nodes.find(({ name }) => name === target.nodeName);
  const hasPart = pods.some(({ nodeName }) => nodeName === target.nodeName) || (own !== undefined && hasRole(own));
  if (!hasPart) return null;

  const byName = new Map(nodes.map((node) => [node.name, node]));
  const mayHaveMember = nodesOfMembers(nodes, target.nodeName);
  const members = (component: string): ControlPlaneMember[] =>
    pods
      .filter(({ nodeName }) => mayHaveMember(nodeName))
      .filter((pod) => pod.labels['component'] === component && !hasEnded(pod) && isStatic(pod))
      .map(({ nodeName, ready }) => ({ nodeName, ready, inWork: isInWork(byName.get(nodeName)) }));
  return {
    etcd: etcdMembers(members(ETCD), nodes),
    apiServers: members(API_SERVER),
    nodes: nodes.filter(hasRole).map(asMember),
    failing: await reach((api) => api.failingChecks()),
  };
}

/**
 * Every kubelet may report mirror pods of its own node with any label, but no kubelet may give its node a role: where
 * there are roles, a worker claims no place in a quorum. The node to be drained counts whatever its role.
 */
function nodesOfMembers(nodes: readonly NodeView[], own: string): (nodeName: string) => boolean {
  const withRole = new Set(nodes.filter(hasRole).map(({ name }) => name));
  return (nodeName) => withRole.size === 0 || withRole.has(nodeName) || nodeName === own;
}

/**
 * A node that should run a member but has no pod of it counts as a member that is down: nodes with the etcd role, or
 * with kubeadm all control-plane nodes. External etcd has no pods and no members here.
 */
function etcdMembers(seen: readonly ControlPlaneMember[], nodes: readonly NodeView[]): ControlPlaneMember[] {
  const byRole = nodes.filter(({ labels }) => labels[ETCD_ROLE] === 'true');
  const expected = byRole.length > 0 ? byRole : seen.length > 0 ? nodes.filter(hasRole) : [];
  const conditions = new Map(nodes.map(({ name, conditions }) => [name, conditions[ETCD_CONDITION]]));
  const missing = expected
    .filter(({ name }) => !seen.some(({ nodeName }) => nodeName === name))
    .map((node): ControlPlaneMember => {
      // k3s runs etcd in process and reports it by a condition.
      if (seen.length === 0) return asMember(node);
      return { ...asMember(node), ready: false, problem: 'without a pod of etcd' };
    });
  return [...seen, ...missing].map((member) => {
    const condition = conditions.get(member.nodeName);
    if (condition?.status !== 'False') return member;
    const why =
      condition.message === '' ? 'no voting member of etcd' : `no voting member of etcd: ${condition.message}`;
    return { ...member, ready: false, problem: why };
  });
}

/** Other workloads in kube-system may carry the label too; a member is a static pod, or has no controller. */
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
