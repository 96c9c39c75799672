/** Nodes as a run works on them. */
import { CancellationScope, sleep, startChild } from '@temporalio/workflow';
import { taskQueueOf } from '../../domain/cluster/task-queues';
import { leftCordoned } from '../../domain/kubernetes/drain-record';
import type { NodePatchPolicy, NodeRunInput, NodeRunPolicy } from '../../domain/run/run';
import type { NodeSpec } from '../../domain/spec/types';
import { uncordonOwn } from '../node/drain';
import { patchNode } from '../node/patch-node';
import type { RunMember } from './member';
import { defined } from '../../domain/shared/defined';

/**
 * Activities of a workflow that was terminated hear of it by their next heartbeat, one every 10 s. Until then they may
 * still cordon a node or evict pods.
 */
const ORPHAN_ACTIVITY_GRACE = '15 seconds';

export function nodeMember(input: NodeRunInput, node: NodeSpec): RunMember {
  const { cluster, run, trigger, policy, searchAttributes = [] } = input;
  const { name } = node;
  const ineffectiveReboot = input.ineffectiveReboots?.[name];
  return {
    name,
    taskQueue: taskQueueOf(node, policy),
    start: (options, { rebootsForbidden, window }) => {
      const rebootIfRequired = policy.rebootIfRequired && !rebootsForbidden;
      return startChild(patchNode, {
        ...options,
        args: [
          {
            ...{ cluster, run, trigger, node, policy: { ...patchPolicyOf(policy), rebootIfRequired } },
            ...defined({ ineffectiveReboot, window: window ?? undefined }),
            searchAttributes,
          },
        ],
      });
    },
    // A node patch that was terminated cannot take its cordon off any more.
    cleanUp: async (failure) => {
      if (policy.kubernetes === undefined) return failure;
      await CancellationScope.nonCancellable(() =>
        sleep(ORPHAN_ACTIVITY_GRACE, { summary: `${name}: let its last activity end before the uncordon` }),
      );
      const inTheWay = await uncordonOwn(cluster, node, policy);
      return inTheWay === null ? failure : leftCordoned(cluster, name, inTheWay, failure);
    },
  };
}

/** Without what is about the whole run. */
function patchPolicyOf({
  limits: { maxUnavailable },
  alertGate,
  stages: _stages,
  rolesApart: _rolesApart,
  ...policy
}: NodeRunPolicy): NodePatchPolicy {
  return {
    ...policy,
    ...defined({ limitedOutages: maxUnavailable === null && alertGate === undefined ? undefined : (true as const) }),
  };
}
