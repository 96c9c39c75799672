import { canonicalJson } from '../shared/canonical-json';
import type { ClusterSpec, NodeSpec } from './types';
import { renderPath } from './issues';
import { renamedNodes } from './renamed-nodes';
import type { SpecPath } from './issues';

/** One changed field; `before` or `after` is undefined when the field is added or removed. */
export interface SpecChange {
  path: string;
  before: unknown;
  after: unknown;
}

// Compared as a whole: a change of a part means little alone.
const WHOLE = new Set(['schedule', 'blackouts', 'hostKeys', 'jump']);

/**
 * The fields in which two specs of a cluster differ. Nodes are identified by name: `nodes[w-1].host`; an added or
 * removed node is one row, and so is a changed order of the nodes (`nodes`, with the names). A machine that has another
 * name is a changed name (`nodes[old].name`), followed by what else has changed (`nodes[new].role`).
 */
export function diffSpecs(before: ClusterSpec, after: ClusterSpec): SpecChange[] {
  const { nodes: nodesBefore, ...restBefore } = withNodes(before);
  const { nodes: nodesAfter, ...restAfter } = withNodes(after);
  return [...diffValues([], restBefore, restAfter), ...diffNodes(nodesBefore, nodesAfter)];
}

function withNodes(spec: ClusterSpec): ClusterSpec & { nodes: NodeSpec[] } {
  return spec.type === 'self-managed' ? spec : { ...spec, nodes: [] as NodeSpec[] };
}

function diffNodes(before: NodeSpec[], after: NodeSpec[]): SpecChange[] {
  const old = new Map(before.map((node) => [node.name, node]));
  const kept = new Set(after.map(({ name }) => name));
  const oldNames = renamedNodes({ nodes: before }, { nodes: after });
  const renamed = new Set(oldNames.values());
  const changes: SpecChange[] = [];
  for (const node of before) {
    if (!kept.has(node.name) && !renamed.has(node.name))
      changes.push({ path: `nodes[${node.name}]`, before: node, after: undefined });
  }
  for (const node of after) {
    const path = `nodes[${node.name}]`;
    const oldName = oldNames.get(node.name) ?? node.name;
    const previous = old.get(oldName);
    if (oldName !== node.name) changes.push({ path: `nodes[${oldName}].name`, before: oldName, after: node.name });
    if (previous === undefined) changes.push({ path, before: undefined, after: node });
    else {
      const same = { ...previous, name: node.name };
      changes.push(...diffValues([], same, node).map((change) => ({ ...change, path: `${path}.${change.path}` })));
    }
  }
  // A machine keeps its place under another name.
  const newNames = new Map([...oldNames].map(([name, oldName]) => [oldName, name]));
  const orderBefore = before.map(({ name }) => newNames.get(name) ?? name).filter((name) => kept.has(name));
  const known = new Set(orderBefore);
  const orderAfter = after.map(({ name }) => name).filter((name) => known.has(name));
  if (canonicalJson(orderBefore) !== canonicalJson(orderAfter)) {
    changes.push({ path: 'nodes', before: before.map(({ name }) => name), after: after.map(({ name }) => name) });
  }
  return changes;
}

function diffValues(path: SpecPath, before: unknown, after: unknown): SpecChange[] {
  if (isMapping(before) && isMapping(after) && !WHOLE.has(String(path.at(-1)))) {
    const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
    return [...keys].flatMap((key) => diffValues([...path, key], before[key], after[key]));
  }
  if (canonicalJson({ value: before }) === canonicalJson({ value: after })) return [];
  return [{ path: renderPath(path), before, after }];
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
