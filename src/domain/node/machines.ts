/** Finds nodes, within and across clusters, that are the same machine. */
import { canonicalJson } from '../shared/canonical-json';
import type { Finding } from '../inspection/finding';
import { warning } from '../inspection/finding';
import { isNode } from '../cluster/member';
import type { MemberStatus } from '../cluster/member';
import type { NodeWarning } from './warning';
import type { ClusterSpec, NodeSpec } from '../spec/types';
import { plainText } from '../shared/text';

/** The identifying data of the machine behind a node. */
export interface Machine {
  cluster: string;
  node: string;
  address: string;
  hostKeys: readonly string[];
  /** As last read; null: not read yet. */
  machineId: string | null;
}

const MAX_LISTED = 10;

/** The address of a node: the same private address behind another jump host or at another site is another machine. */
export function addressOf(
  { host, ssh, taskQueue }: Pick<NodeSpec, 'host' | 'ssh' | 'taskQueue'>,
  clusterTaskQueue?: string,
): string {
  const site = taskQueue ?? clusterTaskQueue ?? null;
  return canonicalJson({ host: host.toLowerCase(), port: ssh.port, jump: ssh.jump ?? [], site });
}

export function machinesOf(spec: ClusterSpec, statuses: readonly MemberStatus[]): Machine[] {
  if (spec.type !== 'self-managed') return [];
  const ids = new Map(statuses.filter(isNode).map(({ name, machineId }) => [name, machineId ?? null]));
  return spec.nodes.map((node) => ({
    cluster: spec.name,
    node: node.name,
    address: addressOf(node, spec.taskQueue),
    hostKeys: node.hostKeys,
    machineId: ids.get(node.name) ?? null,
  }));
}

/** One finding for each node of `own` that is the same machine as another node of `own`, or of another cluster in `all`. */
export function sharedMachines(own: readonly Machine[], all: KnownMachines): Finding[] {
  const found = [...sharedMachineWarnings(own, all).values()].map(({ message, remedy }) =>
    warning('nodes', message, remedy),
  );
  const more = found.length - MAX_LISTED;
  return more > 0
    ? [
        ...found.slice(0, MAX_LISTED),
        warning('nodes', `${more} more nodes are machines of other nodes too`, 'start with the nodes named here'),
      ]
    : found;
}

/** All results of `sharedMachines`, by node name. What `all` has of the cluster itself does not count. */
export function sharedMachineWarnings(own: readonly Machine[], all: KnownMachines): Map<string, NodeWarning> {
  const mine = new KnownMachines(own);
  const warnings = own.flatMap((machine): [string, NodeWarning][] => {
    const found = mine.warningOf(machine, all);
    return found === null ? [] : [[machine.node, found]];
  });
  return new Map(warnings);
}

/** Index of machines by address, host key and machine id. */
export class KnownMachines {
  private readonly byKey = new Map<string, Machine[]>();

  constructor(machines: readonly Machine[] = []) {
    for (const machine of machines) this.add(machine);
  }

  add(machine: Machine): void {
    for (const key of keysOf(machine)) {
      const same = this.byKey.get(key);
      if (same === undefined) this.byKey.set(key, [machine]);
      else same.push(machine);
    }
  }

  /** Null when no other node is this machine. `elsewhere`: its other clusters count too, not what it has of this one. */
  warningOf(machine: Machine, elsewhere?: KnownMachines): NodeWarning | null {
    for (const key of keysOf(machine)) {
      const twin =
        this.byKey.get(key)?.find((one) => one.cluster !== machine.cluster || one.node !== machine.node) ??
        elsewhere?.byKey.get(key)?.find((one) => one.cluster !== machine.cluster);
      if (twin !== undefined) return warningOf(machine, twin);
    }
    return null;
  }
}

/** Most reliable first. */
function keysOf({ address, hostKeys, machineId }: Machine): string[] {
  return [
    `address ${address}`,
    ...hostKeys.map((key) => `key ${keyOf(key)}`),
    ...(machineId === null ? [] : [`id ${machineId}`]),
  ];
}

/** Type and key, without the comment. */
function keyOf(line: string): string {
  return line.split(/\s+/).slice(0, 2).join(' ');
}

function warningOf(machine: Machine, twin: Machine): NodeWarning {
  const where = twin.cluster === machine.cluster ? '' : ` of cluster ${plainText(twin.cluster, 63)}`;
  const other = `node ${plainText(twin.node, 253)}${where}`;
  if (twin.address === machine.address) {
    return {
      kind: 'shared-machine',
      message: `${machine.node} and ${other} have the same address, so both patch and reboot one machine, each in its own windows`,
      remedy: 'remove the node from one of the two',
    };
  }
  const sameKey = twin.hostKeys.some((key) => machine.hostKeys.some((own) => keyOf(own) === keyOf(key)));
  const [what, remedy] = sameKey
    ? ['host key', 'rm /etc/ssh/ssh_host_*; ssh-keygen -A, then ospatch enroll -f FILE --replace NODE']
    : ['machine id', 'rm /etc/machine-id; systemd-machine-id-setup'];
  return {
    kind: 'shared-machine',
    message: `${machine.node} and ${other} have the same ${what}: they are one machine under two names, or one is a copy of the other's disk`,
    remedy: `remove the machine from one of the two; give a copy its own (${remedy})`,
  };
}
