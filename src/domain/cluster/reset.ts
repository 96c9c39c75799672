/** What a cluster does when its workflow was reset in Temporal: it has the state of then, and Temporal repeats what it was sent since. */
import type { ClusterState, WorkflowReset } from './state';
import { forgetSigned } from './admissions';
import { beginLife } from './events';
import { newSchedule } from './schedule-state';
import { isPatchable, note, recordWindow } from './state';

const RESET_BY = 'Temporal';

/** Answer to a request that may be one of those that Temporal repeats. */
export const REPEATED =
  'the workflow of the cluster was just reset, and Temporal repeats requests that were carried out before; send the request again if it is a new one';

/**
 * Nothing starts by itself any more: what a window, a request or a boot patch of that state asks for may have been done
 * since. `now`: ISO 8601.
 */
export function noteReset(state: ClusterState, now: string): void {
  state.reset = { at: now, after: state.nextRun - 1 };
  state.request = null;
  delete state.queue;
  forgetSigned(state, now);
  beginLife(state.events, now);
  if (!isPatchable(state.spec)) return;
  state.paused ??= { at: now, by: RESET_BY, reason: 'the workflow of the cluster was reset' };
  const { next } = state.schedule;
  const passed = (next ?? []).filter(({ start }) => Date.parse(start) <= Date.parse(now));
  for (const { start } of passed) recordWindow(state, start, 'not known (the workflow was reset)', now);
  state.schedule = newSchedule(now);
}

/** Whether the number of the last run has still to be found out. */
export function isNumberUnknown({ reset }: ClusterState): boolean {
  return reset !== undefined && reset.lastRun === undefined;
}

/** `lastRun`: the highest number of a run that Temporal has of this cluster, at least that of the state. No number is used twice. */
export function noteLastRun(state: ClusterState, lastRun: number): void {
  if (state.reset === undefined) return;
  state.reset.lastRun = lastRun;
  state.nextRun = Math.max(state.nextRun, lastRun + 1);
  const result = whatIsMissing(state.reset);
  note(state, { kind: 'action', request: 'reset', by: RESET_BY, reason: null, result }, state.reset.at);
}

/** For people; null: the workflow was not reset, or all nodes were patched since. */
export function resetMessage({ reset, spec }: ClusterState): string | null {
  if (reset === undefined) return null;
  return `the workflow of the cluster was reset in Temporal at ${reset.at}: ${whatIsMissing(reset)}; a run of all nodes (\`ospatch patch ${spec.name}\`) brings the status up to date`;
}

function whatIsMissing({ after, lastRun }: WorkflowReset): string {
  const shown = after === 0 ? 'nodes are shown as before any run' : `nodes are shown as of run ${after}`;
  if (lastRun === undefined || lastRun <= after) return shown;
  const runs = lastRun === after + 1 ? `run ${lastRun}` : `runs ${after + 1} to ${lastRun}`;
  return `${shown}, without what ${runs} changed`;
}
