/** Whether the run in progress makes progress: its workflow and its node patches, read from Temporal alone. */
import type { temporal } from '@temporalio/proto';
import { WORKFLOW_TYPES, clusterWorkflowId } from '../contract/workflow-ids';
import type { StuckCluster } from '../domain/inspection/stuck';
import { describeStuckRun } from '../domain/inspection/stuck';
import { readObstacle } from './cluster-health';
import type { TemporalSession } from './connection';
import { orNull } from './not-found';

type Described = temporal.api.workflowservice.v1.IDescribeWorkflowExecutionResponse;
/** Without a run id: the newest execution. */
type Execution = { workflowId: string; runId?: string };

/** Few nodes are in progress, but many may be unreachable; the first ones are sufficient. */
const MAX_NODES_LOOKED_AT = 8;

/** Why the run of a cluster is stuck; null when it is not, or there is no run. Throws the client's errors. */
export async function readStuckRun(session: TemporalSession, cluster: string): Promise<StuckCluster | null> {
  const described = await describeOrNull(session, { workflowId: clusterWorkflowId(cluster) });
  for (const run of childrenOf(described, WORKFLOW_TYPES.run)) {
    const stuck = await readStuckWorkflow(session, cluster, run);
    if (stuck.found !== null) return stuck.found;
    const nodes = [
      ...childrenOf(stuck.described, WORKFLOW_TYPES.patchNode),
      ...childrenOf(stuck.described, WORKFLOW_TYPES.updateNodegroup),
    ];
    for (const node of nodes.slice(0, MAX_NODES_LOOKED_AT)) {
      const { found } = await readStuckWorkflow(session, cluster, node);
      if (found !== null) return found;
    }
  }
  return null;
}

/** Why a workflow of a run is stuck, and its description. Throws the client's errors. */
export async function readStuckWorkflow(
  session: TemporalSession,
  cluster: string,
  execution: Execution,
): Promise<{ described: Described | null; found: StuckCluster | null }> {
  const described = await describeOrNull(session, execution);
  const obstacle = described === null ? null : await readObstacle(session, described);
  return { described, found: obstacle === null ? null : describeStuckRun(cluster, execution.workflowId, obstacle) };
}

function describeOrNull({ client, namespace }: TemporalSession, execution: Execution): Promise<Described | null> {
  return orNull(client.workflowService.describeWorkflowExecution({ namespace, execution }));
}

function childrenOf(described: Described | null, type: string): Execution[] {
  return (described?.pendingChildren ?? []).flatMap(({ workflowId, runId, workflowTypeName }) =>
    workflowTypeName === type && workflowId ? [{ workflowId, runId: runId ?? '' }] : [],
  );
}
