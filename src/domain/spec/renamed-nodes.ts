/** Machines that a new spec has under another name. */
import { canonicalJson } from '../shared/canonical-json';
import type { NodeSpec } from './types';

interface Nodes {
  readonly nodes: readonly NodeSpec[];
}

/**
 * New name to old name, for each machine (same address and host keys) that the new spec has under another name. `moved`: names
 * of which the address or the host keys have changed.
 */
export function renamedNodes(
  before: Nodes,
  after: Nodes,
  moved: ReadonlySet<string> = new Set<string>(),
): Map<string, string> {
  const names = { before: nodeNames(before), after: nodeNames(after) };
  const gone = new Map(
    before.nodes
      .filter(({ name }) => !names.after.has(name) || moved.has(name))
      .map((node) => [trustKey(node), node.name]),
  );
  return new Map(
    after.nodes
      .filter(({ name }) => !names.before.has(name) || moved.has(name))
      .flatMap((node) => {
        const old = gone.get(trustKey(node));
        return old === undefined ? [] : [[node.name, old] as const];
      }),
  );
}

export function nodeNames({ nodes }: Nodes): Set<string> {
  return new Set(nodes.map(({ name }) => name));
}

/** What identifies the machine behind a node: its address, the way to reach it, and its trusted host keys. */
export function trustKey({ host, hostKeys, ssh }: NodeSpec): string {
  return canonicalJson({ host, port: ssh.port, hostKeys, jump: ssh.jump ?? [], transport: ssh.transport ?? null });
}
