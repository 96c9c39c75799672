/** Events about the run of a cluster that are more than one fact of its state. */
import { handsOverNodes } from '../run/run';
import { describeHold } from '../run/describe-hold';
import { memberName } from './member';
import { whyBetweenWindows } from './run-window';
import { eventsOf } from './events';
import type { ActiveRun, ClusterState } from './state';
import { note } from './state';

/** Records why a run was put down at `now` (ISO 8601). One that only goes on in a fresh history was not, for anybody who looks at it. */
export function noteSuspended(state: ClusterState, run: ActiveRun, now: string): void {
  const message = whySuspended(state, run, Date.parse(now));
  if (message !== null) note(state, { kind: 'run-suspended', run: run.number, message }, now);
}

/** Records that a run goes on, if it is recorded that it was put down. */
export function noteResumed(state: ClusterState, run: ActiveRun, now: string): void {
  const before = eventsOf(state.events, 'runs').findLast((event) => 'run' in event && event.run === run.number);
  if (before?.kind !== 'run-suspended' || run.state === 'cancelling') return;
  const done = Object.keys(run.done).length;
  note(state, { kind: 'run-resumed', run: run.number, message: `${done} of ${run.nodes.length} done` }, now);
}

function whySuspended(state: ClusterState, run: ActiveRun, now: number): string | null {
  const { paused } = state;
  if (run.state === 'cancelling' || (run.suspended !== null && handsOverNodes(run.suspended))) return null;
  if (paused !== null) return `paused by ${paused.by}${paused.reason === null ? '' : ` (${paused.reason})`}`;
  const hold = run.suspended?.hold;
  // Without the commands, which are for whoever looks at the cluster now.
  if (hold?.kind === 'budget') return describeHold(hold, memberName(run.policy.kind));
  return whyBetweenWindows(state, run, now);
}
