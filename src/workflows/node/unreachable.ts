/** Waiting for a node that has been changed: for a day if need be, but not in silence. */
import { getExternalWorkflowHandle, workflowInfo } from '@temporalio/workflow';
import type { SignalDefinition } from '@temporalio/workflow';
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
import type { RunProgress } from '../../domain/run/run';

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

interface NodeInRun {
  cluster: string;
  run: number;
  node: Pick<NodeTarget, 'name'>;
}

/** Tells whoever goes on with the run that the node is waited for; `message` says for what, and how that ends. */
export function notifyRun(patch: NodeInRun, message: string): Promise<void> {
  // The run knows the node patch as it was started, also if somebody has reset it since.
  const lost = { node: patch.node.name, message, workflowRunId: workflowInfo().firstExecutionRunId };
  return tellRun(patch, nodeUnreachableSignal, lost, { settled: [], lost: [lost] });
}

/** The same that a node patch whose node was unreachable has ended. */
export function notifyEnd(patch: NodeInRun, result: NodePatchResult): Promise<void> {
  const settled = toNodeSettled(result, workflowInfo().runId);
  return tellRun(patch, nodeEndedSignal, settled, { settled: [settled] });
}

/** Tells the run workflow that there is now, or the cluster while the run is suspended. */
async function tellRun<T extends object>(
  { cluster, run }: NodeInRun,
  signal: SignalDefinition<[T]>,
  news: T,
  progress: Pick<RunProgress, 'settled' | 'lost'>,
): Promise<void> {
  const { parent } = workflowInfo();
  // Without a run workflow there is nobody to tell.
  if (parent === undefined) return;
  try {
    await getExternalWorkflowHandle(parent.workflowId).signal(signal, news);
  } catch {
    // A cluster that was terminated needs no telling.
    await getExternalWorkflowHandle(clusterWorkflowId(cluster))
      .signal(runProgressSignal, { run, workflowId: parent.workflowId, started: [], ...progress })
      .catch(() => undefined);
  }
}

/** What a run is told of a node that is unreachable, or whose job does not end. */
export function describeWait(
  cluster: string,
  { name }: Pick<NodeTarget, 'name'>,
  { observedMs, message, jobMs }: UnreachableNode,
): string {
  const end = `or until \`ospatch release ${cluster} ${name}\``;
  if (jobMs !== undefined) return `${message}; it is followed for ${TRANSACTION_TIMEOUT_MS / HOUR_MS} h, ${end}`;
  const minutes = Math.round(observedMs / 60_000);
  return `${name} has been unreachable for ${minutes} min after a change was begun there (${message}); ospatch waits for ${LOST_TIMEOUT_MS / HOUR_MS} h, ${end}`;
}
