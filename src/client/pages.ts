/** Reads and combines paged answers. */
import type { WorkflowHandle } from '@temporalio/client';
import { nodesQuery, progressQuery, statusQuery } from '../contract/messages';
import type { StatusPage } from '../domain/cluster/messages';
import type { MemberSettled, MemberStatus } from '../domain/cluster/member';
import { defined } from '../domain/shared/defined';

/** Maximum nodes per page; the cluster sends fewer when a page would be too large. */
const LIMIT = 1_000;

/** The last status read from a cluster, so that only changes are transferred. */
export interface KnownStatus {
  token: string;
  nodes: MemberStatus[];
}

/** The status with all nodes, in a single query when they fit or few have changed since `known`. */
export async function readStatus(
  handle: WorkflowHandle,
  known: KnownStatus | null,
): Promise<{ status: StatusPage; known: KnownStatus | null }> {
  const since = defined({ since: known === null ? undefined : known.token });
  const first = await handle.query(statusQuery, { limit: LIMIT, ...since });
  const changed = [...first.nodes];
  let isWhole = true;
  for (let page = first; page.next !== null;) {
    page = await handle.query(statusQuery, { limit: LIMIT, from: page.next, ...since });
    // Nodes were added or removed between two pages, or the cluster continued as new.
    isWhole &&= page.changedOnly === first.changedOnly;
    changed.push(...page.nodes);
  }
  if (!isWhole) return readStatus(handle, null);
  const nodes = first.changedOnly && known !== null ? merge(known.nodes, changed) : changed;
  const status = { ...first, nodes, next: null };
  // Changes between two pages are transferred again the next time.
  return { status, known: first.token === null ? null : { token: first.token, nodes } };
}

/** All nodes of a cluster. */
export async function readNodes(handle: WorkflowHandle): Promise<MemberStatus[]> {
  const nodes: MemberStatus[] = [];
  for (let from: number | null = 0; from !== null;) {
    const page: { nodes: MemberStatus[]; next: number | null } = await handle.query(nodesQuery, { from, limit: LIMIT });
    nodes.push(...page.nodes);
    from = page.next;
  }
  return nodes;
}

/** All settled nodes of a run in progress. */
export async function readSettled(handle: WorkflowHandle): Promise<MemberSettled[]> {
  const settled: MemberSettled[] = [];
  for (let from: number | null = 0; from !== null;) {
    const page: { settled: MemberSettled[]; next?: number | null } = await handle.query(progressQuery, {
      from,
      limit: LIMIT,
    });
    settled.push(...page.settled);
    from = page.next ?? null;
  }
  return settled;
}

function merge(known: readonly MemberStatus[], changed: readonly MemberStatus[]): MemberStatus[] {
  const fresh = new Map(changed.map((node) => [node.name, node]));
  return known.map((node) => fresh.get(node.name) ?? node);
}
