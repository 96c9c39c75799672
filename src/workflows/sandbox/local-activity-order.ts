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
import { sleep } from '@temporalio/workflow';
import { WORKFLOW_TASK_TIMEOUT } from '../../contract/task-timeout';

/**
 * After so many answers in a workflow task no further local activity begins in it: even of the longest ones (`LOCAL_ACTIVITY_LIMIT`)
 * that is less than 80 % of the time limit of a task.
 *
 * A number of answers, not a time or a length of history: those differ on replay. A task that was lost counts as part of the next one
 * there, which began later.
 */
const MAX_IN_A_TASK = 3;

export function interceptors(): WorkflowInterceptors {
  let last: Promise<unknown> = Promise.resolve();
  let unanswered = 0;
  let answeredInTask = 0;
  const noteAnswer = (): void => {
    unanswered -= 1;
    answeredInTask += 1;
  };
  const turn = (): Promise<void> | null => {
    if (answeredInTask < MAX_IN_A_TASK) return null;
    answeredInTask = 0;
    return sleep(1, { summary: 'go on in another workflow task' });
  };
  return {
    internals: [
      {
        concludeActivation: (input, next) => {
          // With nothing left to wait for, the workflow task ends here.
          if (unanswered === 0) answeredInTask = 0;
          return next(input);
        },
      },
    ],
    outbound: [
      {
        scheduleLocalActivity: (input, next) => {
          unanswered += 1;
          const answer = last.then(() => turn()?.then(() => next(input)) ?? next(input));
          last = answer.then(noteAnswer, noteAnswer);
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
