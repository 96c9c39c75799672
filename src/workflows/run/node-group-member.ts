/** Node groups of EKS as a run works on them. */
import { startChild } from '@temporalio/workflow';
import type { NodeGroupRunInput } from '../../domain/run/run';
import { updateNodegroup } from '../eks/update-nodegroup';
import type { RunMember } from './member';

export function nodeGroupMember(input: NodeGroupRunInput, name: string): RunMember {
  const { cluster, run, trigger, startedAt, policy, searchAttributes = [] } = input;
  return {
    name,
    // AWS is asked by the workers of the whole cluster.
    taskQueue: policy.taskQueue,
    start: (options) =>
      startChild(updateNodegroup, {
        ...options,
        args: [{ cluster, run, trigger, startedAt, nodeGroup: name, policy, searchAttributes }],
      }),
    // An update goes on at AWS, and leaves nothing else behind.
    cleanUp: (error) => Promise.resolve(error),
  };
}
