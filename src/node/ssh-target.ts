import type { NodeTarget } from '../domain/spec/types';
import type { SshTarget } from '../ssh/transport';

/** The SSH part of a node target. */
export function sshTarget({ name, host, ssh, hostKeys }: Omit<NodeTarget, 'cluster'>): SshTarget {
  return { ...ssh, name, host, hostKeys };
}
