/**
 * Runs one local activity at a time per workflow, and none beyond the end of a workflow task, for which children and later
 * executions get more time than Temporal gives by default.
 *
 * The results of concurrent ones arrive one by one, each followed by workflow code. On replay all results are available
 * at once, the code after them runs in another order, and the history no longer matches. The same happens to the result of one
 * that outlasts its workflow task (the SDK keeps the task alive by a new one after 80 % of its time limit): on replay it comes
 * together with the events that have arrived meanwhile. So many short ones in a row, e.g. of a flood of messages, are spread
 * over several tasks.
 */
import type { WorkflowInterceptors } from '@temporalio/workflow';
import { sleep, workflowInfo } from '@temporalio/workflow';
import { WORKFLOW_TASK_TIMEOUT } from '../../contract/task-timeout';

/**
 * After so long in a workflow task no further local activity begins in it. With the longest one (`LOCAL_ACTIVITY_LIMIT`) that is less
 * than 80 % of the limit of a task, also of 10 s: that is the one of a cluster that somebody has started by hand.
 */
const BEGUN_WITHIN_MS = 1_000;

export function interceptors(): WorkflowInterceptors {
  let last: Promise<unknown> = Promise.resolve();
  let task = { historyLength: -1, beganMs: 0 };
  const noteTask = (): void => {
    const { historyLength } = workflowInfo();
    if (historyLength !== task.historyLength) task = { historyLength, beganMs: Date.now() };
  };
  /** Null: at once. */
  const turn = (): Promise<void> | null => {
    noteTask();
    if (Date.now() - task.beganMs < BEGUN_WITHIN_MS) return null;
    return sleep(1, { summary: 'go on in another workflow task' }).then(noteTask);
  };
  return {
    outbound: [
      {
        scheduleLocalActivity: (input, next) => {
          const answer = last.then(() => turn()?.then(() => next(input)) ?? next(input));
          last = answer.catch(() => undefined);
          return answer;
        },
        startChildWorkflowExecution: (input, next) =>
          next({ ...input, options: { workflowTaskTimeout: WORKFLOW_TASK_TIMEOUT, ...input.options } }),
        continueAsNew: (input, next) =>
          next({ ...input, options: { ...input.options, workflowTaskTimeout: WORKFLOW_TASK_TIMEOUT } }),
      },
    ],
  };
}
