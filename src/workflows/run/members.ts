/** All that a run works on, in its order. */
import type { RunInput } from '../../domain/run/run';
import { isNodeRun } from '../../domain/run/run';
import type { RunMember } from './member';
import { nodeGroupMember } from './node-group-member';
import { nodeMember } from './node-member';

export function membersOf(input: RunInput): RunMember[] {
  return isNodeRun(input)
    ? input.nodes.map((node) => nodeMember(input, node))
    : input.nodes.map(({ name }) => nodeGroupMember(input, name));
}
