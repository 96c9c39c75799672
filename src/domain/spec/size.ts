/** Limits on the size of a spec, so that the state of its cluster always fits into a Temporal payload. */
import type { ClusterSpec } from './types';
import { MAX_NODES } from './types';

/** Maximum size of a payload in Temporal. */
const MAX_PAYLOAD_BYTES = 2 * 1024 * 1024;

/** State per node besides the spec, in the worst case: status, failure, and its part of a suspended run. */
export const MAX_STATE_BYTES_PER_NODE = 150;

/** The rest of the state: runs, windows, requests, reasons of locks, the policy of a run, and a run that is set aside. */
const MAX_STATE_BYTES = 384 * 1024;

/** Maximum compressed size in Temporal of a spec with this many nodes, in bytes. */
export function maxSpecBytes(nodes: number): number {
  return MAX_PAYLOAD_BYTES - MAX_STATE_BYTES - nodes * MAX_STATE_BYTES_PER_NODE;
}

/** Why a spec has too many nodes for one cluster, in one clause; null when it does not. */
export function tooManyNodes(spec: ClusterSpec): string | null {
  if (spec.type !== 'self-managed' || spec.nodes.length <= MAX_NODES) return null;
  return `${spec.nodes.length} nodes; at most ${MAX_NODES} are allowed`;
}

/**
 * Why a spec is too large for one cluster, in one clause; null when it is not. `storedBytes`: compressed size of the
 * spec in Temporal.
 */
export function specTooLarge(spec: ClusterSpec, storedBytes: number): string | null {
  const tooMany = tooManyNodes(spec);
  if (tooMany !== null || spec.type !== 'self-managed') return tooMany;
  const allowed = maxSpecBytes(spec.nodes.length);
  if (storedBytes <= allowed) return null;
  return `the spec takes ${storedBytes} bytes in Temporal (compressed), at most ${allowed} are allowed for ${spec.nodes.length} nodes; keep one host key per node (an RSA key takes more than ten ED25519 keys), trust one authority for all nodes (@cert-authority in the known_hosts file, with ssh.transport: openssh), or split the cluster in two`;
}
