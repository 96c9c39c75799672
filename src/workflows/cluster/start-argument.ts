import { workflowInfo } from '@temporalio/workflow';
import type { ClusterState } from '../../domain/cluster/state';
import { newClusterState } from '../../domain/cluster/state';
import type { PackedState } from '../../domain/cluster/packed-state';
import { unpackState } from '../../domain/cluster/packed-state';
import { noteCreation } from '../../domain/cluster/requests';
import { NO_FIRST_SPEC, parseSpecMessage } from '../../domain/cluster/spec-message';
import { migrate } from '../../domain/cluster/migrate';
import { clusterOfWorkflowId, clusterWorkflowId } from '../../contract/workflow-ids';
import { defined } from '../../domain/shared/defined';
import { noteChain } from '../../domain/cluster/admissions';
import { isContinued, starterIdentity } from '../shared/sender';
import { admitState, admitted, startArrival, requestOf } from './admission';
import { checkCarriedState, checkFirstSpec, specFailure } from './check-spec';

/**
 * Start argument: `state` when continued or recovered; for a new cluster its spec, bare or as `spec` with the id of the call that applies
 * it, or with who starts the cluster and why.
 */
export interface ClusterInput {
  spec?: unknown;
  applyId?: string;
  state?: PackedState;
}

/**
 * The state of a cluster that continues as new; null for one that somebody has started. Throws a plain error for a state that this
 * release cannot read, so that the task waits for one that can.
 */
export function carriedState(input: unknown): ClusterState | null {
  return holdsState(input) && isContinued() ? unpackState(migrate(input.state)) : null;
}

function holdsState(input: unknown): input is { state: unknown } {
  return typeof input === 'object' && input !== null && 'state' in input;
}

/**
 * The state that somebody has started the cluster with, for queries while a worker checks it; null: there is none, or it cannot be
 * read.
 */
export function uncheckedState(input: unknown): ClusterState | null {
  try {
    return holdsState(input) ? unpackState(migrate(input.state)) : null;
  } catch {
    return null;
  }
}

export interface FirstState {
  state: ClusterState;
  /** Names of those that are registered on the namespace; null: not known yet. */
  searchAttributes: string[] | null;
}

/**
 * The state of a new cluster. Anybody may start a workflow with any argument.
 *
 * @throws ApplicationFailure `InvalidSpec` or `Denied`, which ends the workflow with the reason: there has never been a cluster
 */
export async function firstState(inputs: readonly unknown[]): Promise<FirstState> {
  const [input] = inputs;
  if (inputs.length > 1) throw specFailure(`a cluster starts with one input, its spec, and there are ${inputs.length}`);
  if (holdsState(input)) return recoveredState(input);
  const parsed = parseSpecMessage(input);
  if (!parsed.ok) throw specFailure(parsed.why);
  const { message } = parsed;
  if (message.spec === undefined) throw specFailure(NO_FIRST_SPEC);
  const request = requestOf('applySpec', input, startArrival(), '', message);
  const { spec, at, ahead, searchAttributes, admission } = await checkFirstSpec(message.spec, request);
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
  noteChain(state, admission.chain);
  const sent = { ...message, ...defined({ by: message.by ?? starterIdentity() }) };
  noteCreation(state, admitted(state, 'applySpec', sent, admission), at);
  return { state, searchAttributes };
}

/**
 * The state that `ospatch recover` has started the cluster with; anybody else may start one with anything. A state that a worker has
 * found usable fails the task where it cannot be read, like one that was carried.
 *
 * @throws ApplicationFailure `InvalidSpec` or `Refused`
 */
async function recoveredState(input: { state: unknown }): Promise<FirstState> {
  const { workflowId } = workflowInfo();
  const cluster = clusterOfWorkflowId(workflowId);
  if (workflowId !== clusterWorkflowId(cluster)) {
    throw specFailure(`${workflowId} is no id of a cluster, so it cannot go on from a state; use \`ospatch recover\``);
  }
  const others = Object.entries(input).filter(([field]) => field !== 'state');
  const parsed = parseSpecMessage(Object.fromEntries(others));
  if (!parsed.ok) throw specFailure(parsed.why);
  const { spec } = await checkCarriedState(input.state, cluster);
  const read = unpackState(migrate(input.state));
  const state = spec === null ? read : { ...read, spec };
  await admitState(state, parsed.message, input);
  return { state, searchAttributes: null };
}
