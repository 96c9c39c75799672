/** Waiting for the end of a run at the Temporal server alone, which tells it at once and costs no worker anything. */
import { setTimeout as sleep } from 'node:timers/promises';
import { WorkflowNotFoundError } from '@temporalio/client';
import { withAbortSignal } from '../abortable-calls';
import type { MemberSettled } from '../domain/cluster/member';
import { isRunResult } from '../domain/run/progress-parser';
import type { TemporalSession } from './connection';
import { answerOf } from './node-records';

/** A run that was accepted begins a moment later, or after the run before it. */
const FIRST_BEGIN_PAUSE_MS = 50;
const MAX_BEGIN_PAUSE_MS = 2_000;

/**
 * How the nodes of a run have ended, as soon as its workflow has. Null when that is not known here: the run was put down
 * for now or terminated, the server went away, or `signal` has fired. Never rejects.
 */
export async function awaitRunEnd(
  { client }: TemporalSession,
  workflowId: string,
  signal: AbortSignal,
): Promise<MemberSettled[] | null> {
  const handle = client.workflow.getHandle(workflowId);
  try {
    for (let pauseMs = FIRST_BEGIN_PAUSE_MS; ; pauseMs = Math.min(MAX_BEGIN_PAUSE_MS, pauseMs * 2)) {
      try {
        const answer = await withAbortSignal(client, signal, () => answerOf(handle));
        return isRunResult(answer) && answer.end === 'finished' ? answer.cursor.settled : null;
      } catch (error) {
        if (!(error instanceof WorkflowNotFoundError)) return null;
      }
      await sleep(pauseMs, undefined, { signal });
    }
  } catch {
    return null;
  }
}
