/**
 * Fails a query that has made the SDK hand over events before their workflow task.
 *
 * A query that waits for a worker, e.g. while the only one restarts, comes with the history as it is when a worker takes the query.
 * The events since the last workflow task are then in it, and the workflow handles them at the time of that task, because theirs has
 * not begun. What the workflow decides is kept for their task, whose history then says that it was decided later: it does not replay.
 * A workflow that has failed a query leaves the memory of the worker, so the events are handled anew when their task is there.
 */
import type { WorkflowInterceptors } from '@temporalio/workflow';
import { UNHANDLED_EVENTS } from '../../contract/unhandled-events';

/** The id of a query that comes in no workflow task (`LEGACY_QUERY_ID` in the SDK). */
const QUERY_ALONE = 'legacy_query';

export function interceptors(): WorkflowInterceptors {
  let known = { time: '', events: 0 };
  let isAhead = false;
  return {
    internals: [
      {
        activate(input, next) {
          const { jobs, timestamp, historyLength, isReplaying } = input.activation;
          const queries = (jobs ?? []).flatMap(({ queryWorkflow }) => queryWorkflow ?? []);
          if (isAhead && queries.some(({ queryId }) => queryId === QUERY_ALONE)) throw new Error(UNHANDLED_EVENTS);
          const events = historyLength ?? 0;
          if (queries.length === 0 && events > known.events) {
            const time = `${String(timestamp?.seconds)} ${timestamp?.nanos}`;
            // A workflow task that has begun has another time than the one before.
            isAhead = isReplaying !== true && time === known.time;
            known = { time, events };
          }
          return next(input);
        },
      },
    ],
  };
}
