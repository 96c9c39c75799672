/** Bounds of the address to which a host name may lead. */

export interface AddressBounds {
  /** CIDR. */
  networks: string[];
  /** The rule of the worker's policy that sets them, and the cluster for which it was asked. */
  rule: string;
  cluster: string;
  /** Field of the spec, for messages. */
  path: string;
}

/** A host that is connected to only at an address within the bounds. Set by the worker, never by a message. */
export interface Bounded {
  within?: AddressBounds;
}
