/** Whether the run in progress makes progress: its workflow and its node patches, read from Temporal alone. */
import { decodeArrayFromPayloads } from '@temporalio/common/lib/internal-non-workflow';
import type { temporal } from '@temporalio/proto';
import { WORKFLOW_TYPES, clusterWorkflowId } from '../contract/workflow-ids';
import type { StuckCluster } from '../domain/inspection/stuck';
import { describeStuckRun } from '../domain/inspection/stuck';
import { foreignType, readObstacle } from './cluster-health';
import type { TemporalSession } from './connection';
import { isOpen } from './execution-status';
import { orNull } from './not-found';

type Described = temporal.api.workflowservice.v1.IDescribeWorkflowExecutionResponse;
/** Without a run id: the newest execution. */
type Execution = { workflowId: string; runId?: string };

const TYPES_OF_RUNS = [WORKFLOW_TYPES.run, WORKFLOW_TYPES.patchNode, WORKFLOW_TYPES.updateNodegroup] as const;

/** Few nodes are in progress, but many may be unreachable; the first ones are sufficient. */
const MAX_NODES_LOOKED_AT = 8;

/** Why the run of a cluster is stuck; null when it is not, or there is no run. Throws the client's errors. */
export async function readStuckRun(session: TemporalSession, cluster: string): Promise<StuckCluster | null> {
  const described = await describeOrNull(session, { workflowId: clusterWorkflowId(cluster) });
  const held = await readStuckHolder(session, cluster, described);
  if (held !== null) return held;
  for (const run of childrenOf(described, WORKFLOW_TYPES.run)) {
    const stuck = await readStuckWorkflow(session, cluster, run);
    if (stuck.found !== null) return stuck.found;
    const holder = await readStuckHolder(session, cluster, stuck.described);
    if (holder !== null) return holder;
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
  const found = described === null ? null : await readStuck(session, cluster, execution.workflowId, described);
  return { described, found };
}

/** The same of one that was described already. */
export async function readStuck(
  session: TemporalSession,
  cluster: string,
  workflowId: string,
  described: Described,
): Promise<StuckCluster | null> {
  const foreign = isOpen(described.workflowExecutionInfo?.status ?? 0) ? foreignType(described, TYPES_OF_RUNS) : null;
  const obstacle =
    foreign === null ? await readObstacle(session, described) : ({ kind: 'id-taken', type: foreign } as const);
  return obstacle === null ? null : describeStuckRun(cluster, workflowId, obstacle);
}

/** Of the workflow whose end somebody waits for, because it has the id that is needed. */
async function readStuckHolder(
  session: TemporalSession,
  cluster: string,
  waiting: Described | null,
): Promise<StuckCluster | null> {
  const wait = waiting?.pendingActivities?.find(({ activityType }) => activityType?.name === 'awaitWorkflowClosed');
  if (wait === undefined) return null;
  const workflowId = await readHolder(session, wait);
  return workflowId === null ? null : (await readStuckWorkflow(session, cluster, { workflowId })).found;
}

/** The workflow id that an activity waits for; null when it has not said, or cannot be read here. */
async function readHolder(
  { client }: TemporalSession,
  { heartbeatDetails }: temporal.api.workflow.v1.IPendingActivityInfo,
): Promise<string | null> {
  try {
    const payloads = heartbeatDetails?.payloads ?? [];
    const [details] = await decodeArrayFromPayloads(client.options.loadedDataConverter, payloads);
    return isHolder(details) ? details.holder : null;
  } catch {
    // Encrypted with a key that is not here.
    return null;
  }
}

function isHolder(details: unknown): details is { holder: string } {
  return typeof details === 'object' && details !== null && 'holder' in details && typeof details.holder === 'string';
}

function describeOrNull({ client, namespace }: TemporalSession, execution: Execution): Promise<Described | null> {
  return orNull(client.workflowService.describeWorkflowExecution({ namespace, execution }));
}

function childrenOf(described: Described | null, type: string): Execution[] {
  return (described?.pendingChildren ?? []).flatMap(({ workflowId, runId, workflowTypeName }) =>
    workflowTypeName === type && workflowId ? [{ workflowId, runId: runId ?? '' }] : [],
  );
}
