/** Whether the control plane tolerates the loss of a node. */

/** An etcd member or API server, by its node. */
export interface ControlPlaneMember {
  nodeName: string;
  ready: boolean;
  /** The problem, when there is one besides readiness; default `not ready`. */
  problem?: string;
  /** Ospatch has cordoned the node, which may go down at any moment. */
  inWork: boolean;
}

export interface ControlPlane {
  etcd: ControlPlaneMember[];
  apiServers: ControlPlaneMember[];
  /** Nodes with the control-plane role. Used only when neither etcd members nor API servers are visible. */
  nodes: ControlPlaneMember[];
  /** Failing checks of the API server, e.g. `etcd`; also empty when the server does not list its checks. */
  failing: string[];
}

/** Why the node must not be taken down now, one clause; null when it may. */
export function quorumViolation(nodeName: string, { etcd, apiServers, nodes, failing }: ControlPlane): string | null {
  if (failing.length > 0) return `the API server reports that it is not ready (${failing.slice(0, 5).join(', ')})`;
  return (
    etcdQuorum(nodeName, etcd) ??
    anotherOne(nodeName, apiServers, 'API server') ??
    (etcd.length === 0 && apiServers.length === 0 ? anotherOne(nodeName, nodes, 'control-plane node') : null)
  );
}

function etcdQuorum(nodeName: string, members: readonly ControlPlaneMember[]): string | null {
  if (!members.some((member) => member.nodeName === nodeName)) return null;
  const others = members.filter((member) => member.nodeName !== nodeName);
  const down = others.filter((member) => !isUp(member));
  const majority = Math.floor(members.length / 2) + 1;
  // One or two members lose quorum in any case; then all others must at least be healthy.
  const needed = Math.min(majority, others.length);
  if (others.length - down.length >= needed) return null;
  return `etcd needs ${needed} of its ${others.length} other members, and only ${others.length - down.length} are available (${namesOf(down)})`;
}

function anotherOne(nodeName: string, members: readonly ControlPlaneMember[], what: string): string | null {
  if (!members.some((member) => member.nodeName === nodeName)) return null;
  const others = members.filter((member) => member.nodeName !== nodeName);
  if (others.length === 0 || others.some(isUp)) return null;
  return `no other ${what} is available (${namesOf(others)})`;
}

function isUp(member: ControlPlaneMember): boolean {
  return member.ready && !member.inWork;
}

function namesOf(members: readonly ControlPlaneMember[]): string {
  return members
    .slice(0, 5)
    .map(({ nodeName, inWork, problem = 'not ready' }) => `${nodeName} is ${inWork ? 'being patched' : problem}`)
    .join(', ');
}
