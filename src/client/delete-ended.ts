/** Deletes Temporal's data of a cluster whose workflow has ended without `remove`. Needs no worker. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { temporal } from '@temporalio/proto';
import { clusterWorkflowId } from '../contract/workflow-ids';
import { OspatchError } from '../domain/shared/errors';
import { clusterNotFound } from './errors';
import { isOpen } from './execution-status';
import { orNull } from './not-found';
import type { TemporalCalls } from './temporal-calls';

type ExecutionInfo = temporal.api.workflow.v1.IWorkflowExecutionInfo;

/** Temporal deletes asynchronously; a workflow that has just ended takes some 20 s. */
const WAIT_MS = 3_000;
const LOOK_EVERY_MS = 200;

const ENDED = 'ExecutionStatus IN ("Failed", "Terminated", "TimedOut", "Canceled", "Completed")';

export interface Cleared {
  /** Whether Temporal has completed the deletion. */
  done: boolean;
  /** Workflows of the last run that continue until their nodes are finished. */
  finishing: number;
}

/** @throws OspatchError `Refused` when the workflow of the cluster runs, `NotFound` when there is no data */
export async function clearEnded(calls: TemporalCalls, cluster: string): Promise<Cleared> {
  const { session } = calls;
  const until = Date.now() + Math.min(WAIT_MS, session.deadlineMs);
  const deleted = new Set<string>();
  for (;;) {
    const current = await calls.call(cluster, () => describe(calls, cluster));
    if (current !== null && isOpen(current.status ?? 0)) throw isRunning(cluster);
    const listed = await calls.call(cluster, () => listEnded(calls, cluster));
    const left = new Set([current, ...listed].flatMap((one) => one?.execution?.runId ?? []));
    if (left.size === 0 && deleted.size === 0) throw clusterNotFound({ ...session, cluster });
    const isNew = [...left].some((runId) => !deleted.has(runId));
    if (!isNew && (left.size === 0 || Date.now() >= until)) {
      return { done: left.size === 0, finishing: await countFinishing(calls, cluster) };
    }
    for (const runId of left) {
      if (!deleted.has(runId)) await calls.call(cluster, () => deleteExecution(calls, cluster, runId));
      deleted.add(runId);
    }
    await sleep(LOOK_EVERY_MS);
  }
}

async function describe({ session }: TemporalCalls, cluster: string): Promise<ExecutionInfo | null> {
  const { client, namespace } = session;
  const execution = { workflowId: clusterWorkflowId(cluster) };
  const described = await orNull(client.workflowService.describeWorkflowExecution({ namespace, execution }));
  return described?.workflowExecutionInfo ?? null;
}

/** Includes earlier executions, which would be found once the newest is deleted. */
async function listEnded({ session }: TemporalCalls, cluster: string): Promise<ExecutionInfo[]> {
  const { client, namespace } = session;
  const query = `WorkflowId = "${clusterWorkflowId(cluster)}" AND ${ENDED}`;
  return (await client.workflowService.listWorkflowExecutions({ namespace, query })).executions ?? [];
}

async function deleteExecution({ session }: TemporalCalls, cluster: string, runId: string): Promise<void> {
  const { client, namespace } = session;
  const workflowExecution = { workflowId: clusterWorkflowId(cluster), runId };
  await orNull(client.workflowService.deleteWorkflowExecution({ namespace, workflowExecution }));
}

/** Informational: 0 when the server cannot be queried. */
async function countFinishing({ session }: TemporalCalls, cluster: string): Promise<number> {
  const { client, namespace } = session;
  const query = `WorkflowId STARTS_WITH "${clusterWorkflowId(cluster)}/" AND ExecutionStatus = "Running"`;
  try {
    return Number((await client.workflowService.countWorkflowExecutions({ namespace, query })).count);
  } catch {
    return 0;
  }
}

function isRunning(cluster: string): OspatchError {
  return new OspatchError({
    type: 'Refused',
    message: `the workflow of cluster ${cluster} runs, so what Temporal keeps of the cluster is not deleted`,
    remedy: `stop managing the cluster with: ospatch remove ${cluster}`,
  });
}
