import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { CancellationScope, condition } from '@temporalio/workflow';
import { workflowEnds } from './activity-options';

/**
 * Options of every child: the id is reused run after run, and a parent that dies must leave its children time to finish
 * what they began.
 */
export const CHILD_OPTIONS = {
  workflowIdReusePolicy: 'ALLOW_DUPLICATE',
  parentClosePolicy: 'REQUEST_CANCEL',
  cancellationType: 'WAIT_CANCELLATION_COMPLETED',
} as const;

/**
 * Options of a node patch: where the node is unreachable, its run workflow hands it over to the next one of the same run. A
 * run workflow that is cancelled cancels it; of one that was terminated, the cluster does.
 */
export const NODE_CHILD_OPTIONS = { ...CHILD_OPTIONS, parentClosePolicy: 'ABANDON' } as const;

export interface HeldChildOptions {
  /** Told when somebody else holds the id. */
  onWaiting?: () => void;
  /** Asked again during and after each wait; default yes. */
  shouldStart?: () => boolean;
}

/**
 * Starts a child whose fixed id is a lock. Where the id is still held, by the child of a workflow that was terminated for
 * example, the holder is waited for, never ended. Returns null as soon as the child is no longer wanted in such a wait.
 */
export async function startLockedChild<H>(
  workflowId: string,
  start: () => Promise<H>,
  { onWaiting = () => undefined, shouldStart = () => true }: HeldChildOptions = {},
): Promise<H | null> {
  for (;;) {
    try {
      return await start();
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
      onWaiting();
      await whileWanted(shouldStart, () =>
        workflowEnds.awaitWorkflowClosed.executeWithOptions(
          { summary: `wait for ${workflowId}, which is still running` },
          [workflowId],
        ),
      );
      if (!shouldStart()) return null;
    }
  }
}

/** Runs `wait`, which is cancelled as soon as `isWanted` turns false; then the answer is null. */
export async function whileWanted<T>(isWanted: () => boolean, wait: () => Promise<T>): Promise<T | null> {
  const scope = new CancellationScope();
  try {
    return await scope.run(() => Promise.race([wait(), condition(() => !isWanted()).then(() => null)]));
  } finally {
    scope.cancel();
  }
}
