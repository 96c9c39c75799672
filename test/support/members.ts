/** Nodes of clusters that could also have node groups. */
import { isNode } from '../../src/domain/cluster/member';
import type { MemberStatus, PatchRecord } from '../../src/domain/cluster/member';
import type { NodePatchResult } from '../../src/domain/node/patch';
import type { NodeStatus } from '../../src/domain/node/status';

/** Throws for a node group. */
export function nodesOf(members: readonly MemberStatus[]): NodeStatus[] {
  return members.map((member) => {
    if (!isNode(member)) throw new Error(`${member.name} is a node group`);
    return member;
  });
}

/** Throws without a record, and for that of a node group. */
export function nodePatch(record: PatchRecord | null | undefined): NodePatchResult {
  if (record?.kind !== 'node') throw new Error('there is no record of a node');
  return record;
}
