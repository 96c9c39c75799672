/** The machines of a spec whose host keys are needed. */
import type { NodeSpec } from '../../../domain/spec/types';

/** A node or a jump host. */
export interface EnrolledMachine {
  name: string;
  host: string;
  port: number;
  hostKeys: string[];
  /** The jump host in front of the machine; enrolment does not connect through it. */
  behind: string | null;
}

/** Jump hosts first, without duplicates. */
export function enrolledMachines(nodes: readonly NodeSpec[]): EnrolledMachine[] {
  const hops = new Map<string, EnrolledMachine>();
  for (const { jump = [] } of nodes.map(({ ssh }) => ssh)) {
    for (const [index, { host, port, hostKeys }] of jump.entries()) {
      const key = JSON.stringify([host, port]);
      const behind = jump[index - 1]?.host ?? null;
      if (!hops.has(key)) hops.set(key, { name: `jump host ${host}`, host, port, hostKeys, behind });
    }
  }
  const own = nodes.map(({ name, host, ssh, hostKeys }) => {
    return { name, host, port: ssh.port, hostKeys, behind: ssh.jump?.at(-1)?.host ?? null };
  });
  return [...hops.values(), ...own];
}
