import { workflowInfo } from '@temporalio/workflow';
import type { ClusterState } from '../../domain/cluster/state';
import { newClusterState } from '../../domain/cluster/state';
import type { PackedState } from '../../domain/cluster/packed-state';
import { unpackState } from '../../domain/cluster/packed-state';
import { noteCreation } from '../../domain/cluster/requests';
import { NO_FIRST_SPEC, parseSpecMessage } from '../../domain/cluster/spec-message';
import { migrate } from '../../domain/cluster/migrate';
import { clusterWorkflowId } from '../../contract/workflow-ids';
import { defined } from '../../domain/shared/defined';
import { starterIdentity } from '../shared/sender';
import { checkFirstSpec, specFailure } from './check-spec';

/**
 * Start argument: `state` when continued; for a new cluster its spec, bare or as `spec` with the id of the call that applies
 * it, or with who starts the cluster and why.
 */
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
export async function firstState(inputs: readonly unknown[]): Promise<FirstState> {
  const [input] = inputs;
  if (inputs.length > 1) throw specFailure(`a cluster starts with one input, its spec, and there are ${inputs.length}`);
  const parsed = parseSpecMessage(input);
  if (!parsed.ok) throw specFailure(parsed.why);
  const { message } = parsed;
  if (message.spec === undefined) throw specFailure(NO_FIRST_SPEC);
  const { spec, at, ahead, searchAttributes } = await checkFirstSpec(message.spec);
  const expected = clusterWorkflowId(spec.name);
  const { workflowId } = workflowInfo();
  if (workflowId !== expected) {
    const hint = workflowId.startsWith(`${expected}-`)
      ? 'a Temporal Schedule adds the time to the id, so a cluster has its schedule in patching.schedule'
      : `start the cluster with the workflow id ${expected}`;
    throw specFailure(`cluster ${spec.name} must run as workflow ${expected}, this is ${workflowId}; ${hint}`);
  }
  const { applyId = null } = message;
  const state = newClusterState(spec, applyId, at, ahead);
  // The call with an id says who it is in its update.
  const by = message.by ?? starterIdentity();
  if (applyId === null) noteCreation(state, { ...message, ...defined({ by }) }, at);
  return { state, searchAttributes };
}
