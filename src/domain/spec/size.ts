import type { ClusterSpec } from './types';
import { MAX_NODES } from './types';

/**
 * Temporal keeps no value of more than 2 MiB, and the state of a cluster in a run holds its spec beside the status and
 * the outcome of every node.
 */
const MAX_SPEC_CHARS = 1_000_000;

/** Why a spec is too large to be managed as one cluster, in one sentence; null when it is not. */
export function specTooLarge(spec: ClusterSpec): string | null {
  if (spec.type !== 'self-managed') return null;
  if (spec.nodes.length > MAX_NODES) return `${spec.nodes.length} nodes; at most ${MAX_NODES} are allowed`;
  const chars = JSON.stringify(spec).length;
  if (chars <= MAX_SPEC_CHARS) return null;
  return `the spec has ${chars} characters, at most ${MAX_SPEC_CHARS} are allowed; keep one host key per node, or make two clusters of it`;
}
