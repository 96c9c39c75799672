/** Waiting for a node that has been changed: for a day if need be, but not in silence. */
import { getExternalWorkflowHandle, workflowInfo } from '@temporalio/workflow';
import type { Watch } from '../../contract/activities/node';
import type { OutOfReach } from '../../domain/node/report';
import { isOutOfReach } from '../../domain/node/report';
import type { NodeTarget } from '../../domain/spec/types';
import { TRANSACTION_TIMEOUT_MS } from '../../domain/node/time-limits';
import { nodeLostSignal } from '../../contract/messages';

/** After this long out of reach the run is told, whose failure budget then decides about the other nodes. */
export const NOTICE_AFTER_MS = 30 * 60_000;

/** After a change was begun on a node, it is waited for this long before a human is asked to look. */
export const LOST_TIMEOUT_MS = 24 * 60 * 60_000;

const HOUR_MS = 60 * 60_000;

/**
 * Repeats `attempt` until it ends with something else than `out-of-reach`. It is asked to say so at each of `noticesMs`
 * (ascending), and of its own when a job there does not end; then `onNotice` is called.
 */
export async function outlast<T extends object>(
  noticesMs: readonly number[],
  attempt: (watch: Watch) => Promise<T | OutOfReach>,
  onNotice: (outOfReach: OutOfReach) => Promise<void>,
): Promise<T> {
  let observedMs = 0;
  let jobMs: number | undefined;
  for (let passed = 0; ;) {
    const noticeAfterMs = noticesMs[passed];
    const outcome = await attempt({
      ...(observedMs === 0 ? {} : { observedMs }),
      ...(noticeAfterMs === undefined ? {} : { noticeAfterMs }),
      ...(jobMs === undefined ? {} : { jobMs }),
    });
    if (!isOutOfReach(outcome)) return outcome;
    ({ observedMs } = outcome);
    if (outcome.jobMs === undefined) passed += 1;
    else ({ jobMs } = outcome);
    await onNotice(outcome);
  }
}

type NodeName = Pick<NodeTarget, 'cluster' | 'name'>;

/** Tells the rollout; without one there is nobody to tell. */
export async function tellRun({ cluster, name }: NodeName, outOfReach: OutOfReach): Promise<void> {
  const { parent } = workflowInfo();
  if (parent === undefined) return;
  // A rollout that was terminated needs no telling.
  await getExternalWorkflowHandle(parent.workflowId)
    .signal(nodeLostSignal, { node: name, message: describeWait({ cluster, name }, outOfReach) })
    .catch(() => undefined);
}

function describeWait({ cluster, name }: NodeName, { observedMs, why, jobMs }: OutOfReach): string {
  const said = why.replace(/\.$/, '');
  const end = `or until \`ospatch release ${cluster} ${name}\``;
  if (jobMs !== undefined) return `${said}; it is followed for ${TRANSACTION_TIMEOUT_MS / HOUR_MS} h, ${end}.`;
  const minutes = Math.round(observedMs / 60_000);
  return `${name} has been out of reach for ${minutes} min after a change was begun there (${said}); ospatch waits for ${LOST_TIMEOUT_MS / HOUR_MS} h, ${end}.`;
}
