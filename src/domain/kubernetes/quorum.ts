/** Whether the control plane can spare a node. */

/** One member of etcd, or one API server, by the node it runs on. */
export interface ControlPlaneMember {
  nodeName: string;
  ready: boolean;
  /** What is wrong with it, when it is more than not ready; `not ready` by default. */
  problem?: string;
  /** Ospatch has its node cordoned: it may be away at any moment. */
  inWork: boolean;
}

export interface ControlPlane {
  etcd: ControlPlaneMember[];
  apiServers: ControlPlaneMember[];
  /** Nodes with the role of a control plane. Counts where neither of the others can be seen. */
  nodes: ControlPlaneMember[];
  /** Checks of the API server that fail, e.g. `etcd`; empty also when it does not tell. */
  failing: string[];
}

/** What stands against taking the node down now, one clause; null: nothing does. */
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
  // One or two members lose their quorum whatever is waited for; then at least nothing else may be wrong.
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
