import type { NodeTarget } from '../domain/spec/types';
import type { SshTarget } from '../ssh/transport';

/** Where and how to log in on a node: everything its spec says about SSH. */
export function sshTarget({ name, host, ssh, hostKeys }: Omit<NodeTarget, 'cluster'>): SshTarget {
  return { ...ssh, name, host, hostKeys };
}
