/** Waiting for a node that has been changed: for a day if need be, but not in silence. */
import { getExternalWorkflowHandle, workflowInfo } from '@temporalio/workflow';
import type { Watch } from '../../contract/activities/node';
import type { UnreachableNode } from '../../domain/node/report';
import { isUnreachable } from '../../domain/node/report';
import { HOUR_MS, MINUTE_MS } from '../../domain/shared/time-units';
import type { NodeTarget } from '../../domain/spec/types';
import { TRANSACTION_TIMEOUT_MS } from '../../domain/node/time-limits';
import { nodeEndedSignal, nodeUnreachableSignal, runProgressSignal } from '../../contract/messages';
import { clusterWorkflowId } from '../../contract/workflow-ids';
import type { NodePatchResult } from '../../domain/node/patch';
import { toNodeSettled } from '../../domain/node/patch';
import { defined } from '../../domain/shared/defined';

/** After this long unreachable the run is told, whose failure budget then decides about the other nodes. */
export const NOTICE_AFTER_MS = 30 * MINUTE_MS;

/** After a change was begun on a node, it is waited for this long before a human is asked to look. */
export const LOST_TIMEOUT_MS = 24 * HOUR_MS;

/**
 * Repeats `attempt` until it ends with something else than `unreachable`. It is asked to say so at each of `noticesMs`
 * (ascending), and of its own when a job there does not end; then `onNotice` is called.
 */
export async function retryWhileUnreachable<T extends object>(
  noticesMs: readonly number[],
  attempt: (watch: Watch) => Promise<T | UnreachableNode>,
  onNotice: (unreachableNode: UnreachableNode) => Promise<void>,
): Promise<T> {
  let observedMs = 0;
  let jobMs: number | undefined;
  for (let passed = 0; ;) {
    const noticeAfterMs = noticesMs[passed];
    const outcome = await attempt({
      ...defined({ observedMs: observedMs === 0 ? undefined : observedMs, noticeAfterMs, jobMs }),
    });
    if (!isUnreachable(outcome)) return outcome;
    ({ observedMs } = outcome);
    if (outcome.jobMs === undefined) passed += 1;
    else ({ jobMs } = outcome);
    await onNotice(outcome);
  }
}

type NodeName = Pick<NodeTarget, 'cluster' | 'name'>;

/** Tells the run workflow; without one there is nobody to tell. */
export async function notifyRun({ cluster, name }: NodeName, unreachableNode: UnreachableNode): Promise<void> {
  const { parent } = workflowInfo();
  if (parent === undefined) return;
  // A run workflow that was terminated needs no telling.
  await getExternalWorkflowHandle(parent.workflowId)
    .signal(nodeUnreachableSignal, {
      node: name,
      message: describeWait({ cluster, name }, unreachableNode),
      workflowRunId: workflowInfo().runId,
    })
    .catch(() => undefined);
}

/**
 * Tells whoever goes on with the run that a node patch whose node was unreachable has ended: the next workflow of the run,
 * or the cluster while the run is suspended.
 */
export async function notifyEnd(
  { cluster, run }: { cluster: string; run: number },
  result: NodePatchResult,
): Promise<void> {
  const { parent, runId } = workflowInfo();
  if (parent === undefined) return;
  const settled = toNodeSettled(result, runId);
  try {
    await getExternalWorkflowHandle(parent.workflowId).signal(nodeEndedSignal, settled);
  } catch {
    // A cluster that was terminated needs no telling.
    await getExternalWorkflowHandle(clusterWorkflowId(cluster))
      .signal(runProgressSignal, { run, workflowId: parent.workflowId, settled: [settled], started: [] })
      .catch(() => undefined);
  }
}

function describeWait({ cluster, name }: NodeName, { observedMs, message, jobMs }: UnreachableNode): string {
  const end = `or until \`ospatch release ${cluster} ${name}\``;
  if (jobMs !== undefined) return `${message}; it is followed for ${TRANSACTION_TIMEOUT_MS / HOUR_MS} h, ${end}`;
  const minutes = Math.round(observedMs / 60_000);
  return `${name} has been unreachable for ${minutes} min after a change was begun there (${message}); ospatch waits for ${LOST_TIMEOUT_MS / HOUR_MS} h, ${end}`;
}
