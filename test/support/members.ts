/** What is known of nodes, where a cluster could have node groups as well. */
import { isNode } from '../../src/domain/cluster/member';
import type { MemberStatus, PatchRecord } from '../../src/domain/cluster/member';
import type { NodePatchResult } from '../../src/domain/node/patch';
import type { NodeStatus } from '../../src/domain/node/status';

/** Throws when there is a node group. */
export function nodesOf(members: readonly MemberStatus[]): NodeStatus[] {
  return members.map((member) => {
    if (!isNode(member)) throw new Error(`${member.name} is a node group`);
    return member;
  });
}

/** Throws when there is no record, or that of a node group. */
export function nodePatch(record: PatchRecord | null | undefined): NodePatchResult {
  if (record?.kind !== 'node') throw new Error('there is no record of a node');
  return record;
}
