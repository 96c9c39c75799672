/** Waits for and cancels workflows that are not children of the run workflow. */
import { getClient, heartbeat } from '@temporalio/activity';
import { WorkflowFailedError, WorkflowNotFoundError } from '@temporalio/client';
import type { WorkflowExecutionDescription } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { NodePatchEnd, NodePatchExecution } from '../contract/activities/cluster';
import { parseSettled } from '../domain/run/progress-parser';
import type { End, Execution, WorkflowEnds } from './workflow-ends';

export async function awaitNodePatches(
  ends: WorkflowEnds,
  patches: readonly NodePatchExecution[],
): Promise<NodePatchEnd[]> {
  if (patches.length === 0) return [];
  const client = getClient();
  const started = new Map(patches.map((one) => [one.workflowId, one.workflowRunId]));
  const endOf = async ({ workflowId, runId }: Execution): Promise<End<NodePatchEnd>> => {
    const handle = client.workflow.getHandle(workflowId, runId, { followRuns: false });
    const described = await describeOrNull(handle);
    const patch = { workflowId, workflowRunId: started.get(workflowId) ?? runId };
    if (described === null) return { result: { ...patch, settled: null } };
    if (isOpen(described)) return { goesOnAs: { workflowId, runId } };
    // Somebody has reset it: it works on as another execution.
    const resetTo = described.raw.workflowExtendedInfo?.resetRunId ?? '';
    if (resetTo !== '') return { goesOnAs: { workflowId, runId: resetTo } };
    return { result: { ...patch, settled: parseSettled(await handle.result().catch(detailsOfFailure)) } };
  };
  return ends.answerAtFirstEnds(
    patches.map(({ workflowId, workflowRunId }) => ({ workflowId, runId: workflowRunId })),
    endOf,
  );
}

export async function awaitWorkflowClosed(ends: WorkflowEnds, workflowId: string): Promise<void> {
  const handle = getClient().workflow.getHandle(workflowId);
  const look = async (): Promise<End<undefined>> => {
    const described = await describeOrNull(handle);
    if (described === null || !isOpen(described)) return { result: undefined };
    return { goesOnAs: { workflowId, runId: described.runId } };
  };
  const now = await look();
  if (!('goesOnAs' in now)) return;
  // For those who ask what is waited for.
  heartbeat({ holder: workflowId });
  ends.answerAtEndOf(now.goesOnAs, look);
}

function isOpen({ status }: WorkflowExecutionDescription): boolean {
  return status.name === 'RUNNING' || status.name === 'PAUSED';
}

async function describeOrNull(handle: {
  describe(): Promise<WorkflowExecutionDescription>;
}): Promise<WorkflowExecutionDescription | null> {
  try {
    return await handle.describe();
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return null;
    throw error;
  }
}

/** The details of a failed workflow, which contain its result. */
function detailsOfFailure(error: unknown): unknown {
  if (!(error instanceof WorkflowFailedError)) throw error;
  return error.cause instanceof ApplicationFailure ? error.cause.details?.[0] : null;
}

export async function cancelChildren(workflowId: string): Promise<void> {
  const { workflow } = getClient();
  const { raw } = await workflow.getHandle(workflowId).describe();
  for (const child of raw.pendingChildren ?? []) {
    const handle = workflow.getHandle(child.workflowId ?? '', child.runId ?? undefined);
    await handle.cancel().catch((error: unknown) => {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
    });
  }
}
