/** Queries and cancels node patches that are no longer children of the run workflow. */
import { getClient } from '@temporalio/activity';
import { WorkflowFailedError, WorkflowNotFoundError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { MemberSettled } from '../domain/cluster/member';
import { parseSettled } from '../domain/run/progress-parser';

export async function awaitNodePatch(execution: {
  workflowId: string;
  workflowRunId: string;
}): Promise<MemberSettled | null> {
  const { workflowId, workflowRunId } = execution;
  const handle = getClient().workflow.getHandle(workflowId, workflowRunId);
  try {
    const { status } = await handle.describe();
    if (status.name === 'RUNNING' || status.name === 'PAUSED') {
      throw ApplicationFailure.retryable(`${workflowId} is still running`, 'StillRunning');
    }
    return parseSettled(await handle.result().catch(detailsOfFailure));
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
