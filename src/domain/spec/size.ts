/** How large a spec may be, so that the state of its cluster always fits into what Temporal keeps. */
import type { ClusterSpec } from './types';
import { MAX_NODES } from './types';

/** Temporal keeps no value of more bytes than this. */
const MAX_PAYLOAD_BYTES = 2 * 1024 * 1024;

/** What a cluster keeps of a node beside its spec, in the worst case: status, failure, and its part of a suspended run. */
export const MAX_STATE_BYTES_PER_NODE = 150;

/** What a cluster keeps beside that: runs, windows, requests and the policy of a run. */
const MAX_STATE_BYTES = 128 * 1024;

/** The bytes that the spec of a cluster of so many nodes may take in Temporal, compressed as it is kept there. */
export function maxSpecBytes(nodes: number): number {
  return MAX_PAYLOAD_BYTES - MAX_STATE_BYTES - nodes * MAX_STATE_BYTES_PER_NODE;
}

/** Why a spec has too many nodes for one cluster, in one clause; null when it has not. */
export function tooManyNodes(spec: ClusterSpec): string | null {
  if (spec.type !== 'self-managed' || spec.nodes.length <= MAX_NODES) return null;
  return `${spec.nodes.length} nodes; at most ${MAX_NODES} are allowed`;
}

/**
 * Why a spec is too large to be managed as one cluster, in one clause; null when it is not. `storedBytes`: how many bytes
 * Temporal keeps of it.
 */
export function specTooLarge(spec: ClusterSpec, storedBytes: number): string | null {
  const tooMany = tooManyNodes(spec);
  if (tooMany !== null || spec.type !== 'self-managed') return tooMany;
  const allowed = maxSpecBytes(spec.nodes.length);
  if (storedBytes <= allowed) return null;
  return `the spec takes ${storedBytes} bytes in Temporal (compressed), at most ${allowed} are allowed for ${spec.nodes.length} nodes; keep one host key per node (an RSA key takes more than ten ED25519 keys), or split it into two clusters`;
}
