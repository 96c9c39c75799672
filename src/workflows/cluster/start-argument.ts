import { ApplicationFailure, workflowInfo } from '@temporalio/workflow';
import type { ClusterState } from '../../domain/cluster/state';
import { newClusterState } from '../../domain/cluster/state';
import type { PackedState } from '../../domain/cluster/packed-state';
import { unpackState } from '../../domain/cluster/packed-state';
import { clusterWorkflowId } from '../../contract/workflow-ids';
import { validateSpecObject } from '../../domain/spec/parse';

/** Start argument: `spec` (and the id of the call that applies it) for a new cluster, `state` when continued. */
export interface ClusterInput {
  spec?: unknown;
  applyId?: string;
  state?: PackedState;
}

/**
 * The state a cluster begins with. Anybody may start a workflow with any argument.
 * @throws ApplicationFailure `InvalidSpec`, which ends the workflow with the reason
 */
export function initialState(input: ClusterInput | undefined): ClusterState {
  if (input?.state !== undefined) return unpackState(input.state);
  const checked = validateSpecObject(input?.spec);
  if (!checked.ok) throw invalid(`the spec is not valid: ${checked.problems.join('; ')}`);
  const expected = clusterWorkflowId(checked.spec.name);
  const { workflowId } = workflowInfo();
  if (workflowId !== expected) {
    throw invalid(`cluster ${checked.spec.name} must run as workflow ${expected}, this is ${workflowId}`);
  }
  return newClusterState(checked.spec, input?.applyId ?? null, new Date(Date.now()).toISOString());
}

function invalid(message: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(message, 'InvalidSpec');
}
