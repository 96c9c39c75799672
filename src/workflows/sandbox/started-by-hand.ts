/**
 * Runs, node patches and what else a cluster starts, when somebody starts them by hand: they do what `patch` does, and the cluster
 * that would ask who that is has no part in it. So a worker is asked as for a `patch` that nobody has signed.
 */
import type { WorkflowInterceptors } from '@temporalio/workflow';
import { ApplicationFailure, workflowInfo } from '@temporalio/workflow';
import { WORKFLOW_TYPES, clusterOfMember } from '../../contract/workflow-ids';
import { local } from '../shared/activity-options';
import { toErrorInfo, withoutStack } from '../shared/failures';
import { startWasEncrypted, starterIdentity } from '../shared/sender';

/** Those that change something and that only workflows start. */
const OF_WORKFLOWS: readonly string[] = [
  WORKFLOW_TYPES.run,
  WORKFLOW_TYPES.patchNode,
  WORKFLOW_TYPES.updateNodegroup,
  WORKFLOW_TYPES.prefetchNodes,
  WORKFLOW_TYPES.notify,
];

export function interceptors(): WorkflowInterceptors {
  return {
    inbound: [
      {
        execute: async (input, next) => {
          const { workflowType, parent } = workflowInfo();
          if (parent === undefined && OF_WORKFLOWS.includes(workflowType)) await assertMay();
          return next(input);
        },
      },
    ],
  };
}

/** @throws ApplicationFailure `Denied` */
async function assertMay(): Promise<void> {
  const { workflowId } = workflowInfo();
  const request = {
    ...{ cluster: clusterOfMember(workflowId), name: 'patchNow', message: null, chain: '' },
    ...{ sender: starterIdentity() ?? '', via: 'start' as const, sealed: startWasEncrypted() },
  };
  const why = await local.admit(request).then(
    (admission) => (admission.ok ? null : admission.why),
    (failure: unknown) => toErrorInfo(failure, 'the check of who has started the workflow').message,
  );
  if (why !== null) throw withoutStack(ApplicationFailure.nonRetryable(why, 'Denied'));
}
