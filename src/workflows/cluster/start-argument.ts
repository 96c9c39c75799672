import { workflowInfo } from '@temporalio/workflow';
import type { ClusterState } from '../../domain/cluster/state';
import { newClusterState } from '../../domain/cluster/state';
import type { PackedState } from '../../domain/cluster/packed-state';
import { unpackState } from '../../domain/cluster/packed-state';
import { migrate } from '../../domain/cluster/migrate';
import { clusterWorkflowId } from '../../contract/workflow-ids';
import { checkFirstSpec, specFailure } from './check-spec';

/** Start argument: `spec` (and the id of the call that applies it) for a new cluster, `state` when continued. */
export interface ClusterInput {
  spec?: unknown;
  applyId?: string;
  state?: PackedState;
}

/**
 * The state of a cluster that continues as new; null for a new one. Throws a plain error for a state that this release
 * cannot read, so that the task waits for one that can.
 */
export function carriedState(input: ClusterInput | undefined): ClusterState | null {
  const isObject = typeof input === 'object' && input !== null;
  return isObject && 'state' in input ? unpackState(migrate(input.state)) : null;
}

export interface FirstState {
  state: ClusterState;
  /** Names of those that are registered on the namespace. */
  searchAttributes: string[];
}

/**
 * The state of a new cluster. Anybody may start a workflow with any argument.
 *
 * @throws ApplicationFailure `InvalidSpec`, which ends the workflow with the reason: there has never been a cluster
 */
export async function firstState(input: ClusterInput | undefined): Promise<FirstState> {
  const { spec, at, ahead, searchAttributes } = await checkFirstSpec(input?.spec);
  const expected = clusterWorkflowId(spec.name);
  const { workflowId } = workflowInfo();
  if (workflowId !== expected) {
    const hint = workflowId.startsWith(`${expected}-`)
      ? '; a Temporal Schedule adds the time to the id, so a cluster has its schedule in patching.schedule'
      : '';
    throw specFailure(`cluster ${spec.name} must run as workflow ${expected}, this is ${workflowId}${hint}`);
  }
  const createdBy = typeof input?.applyId === 'string' ? input.applyId : null;
  return { state: newClusterState(spec, createdBy, at, ahead), searchAttributes };
}
