/** The order in which a run takes its nodes. */
import type { NodeRole, NodeSpec, Rollout } from '../spec/types';

/**
 * By role, then zone, then the time of the last patch, those never patched first, then as they stand in the spec. Of an
 * explicit list, the nodes that are named come first, in the order of the list.
 * @param lastPatched by name, ISO 8601; a node that is not in there, or with null, was never patched
 */
export function orderNodes<N extends Pick<NodeSpec, 'name' | 'role' | 'zone'>>(
  nodes: readonly N[],
  order: Rollout['order'],
  lastPatched: ReadonlyMap<string, string | null>,
): N[] {
  const named = Array.isArray(order) ? new Map(order.map((name, at) => [name, at])) : new Map<string, number>();
  const firstRole: NodeRole = order === 'control-planes-first' ? 'control-plane' : 'worker';
  const keyOf = ({ name, role, zone }: N): [number, number, string, number] => [
    named.get(name) ?? named.size,
    // Among the nodes that are named, nothing but their place counts.
    named.has(name) || role === firstRole ? 0 : 1,
    // After every zone that has a name.
    zone ?? '\uffff',
    Date.parse(lastPatched.get(name) ?? '') || 0,
  ];
  const keys = new Map(nodes.map((node) => [node.name, keyOf(node)]));
  // Sorting is stable: what is equal so far stays as it stands in the spec.
  return [...nodes].sort((one, other) => compareKeys(keys.get(one.name) ?? [], keys.get(other.name) ?? []));
}

function compareKeys(one: readonly (number | string)[], other: readonly (number | string)[]): number {
  for (const [at, value] of one.entries()) {
    const against = other[at];
    if (against === undefined || value === against) continue;
    return value < against ? -1 : 1;
  }
  return 0;
}
