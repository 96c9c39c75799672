/** The present maintenance window gets a later end. */
import { senderText } from '../shared/verification';
import { isoSecond } from '../shared/dates';
import { formatDuration, parseDuration } from '../shared/duration';
import type { MaintenanceWindow } from '../schedule/window';
import { waitsForDecision } from './decide';
import { comingWindow, presentWindow, roundUpToMinutes, runWindow, shortestForecast } from './run-window';
import type { OpenWindow } from './schedule-state';
import type { ActiveRun, ClusterState } from './state';
import type { Message } from './messages';
import { UNKNOWN_SENDER } from './messages';

/** By how much, or until when: ISO 8601. */
interface Extension extends Message {
  duration?: string;
  until?: string;
}

/** Why the present window cannot be extended, in one sentence; null: it can. */
export function checkExtension(state: ClusterState, message: Extension, now: number): string | null {
  const window = presentWindow(state, now);
  if (window === null || (window.end !== null && Date.parse(window.end) <= now)) {
    const next = comingWindow(state, now);
    const when = next === null ? 'and no next one is known' : `and the next one begins at ${next.start}`;
    return `no maintenance window is open, ${when}; \`ospatch patch ${state.spec.name} --ignore-window\` starts a run at once`;
  }
  if (window.end === null) return `the window of ${window.start} has no end`;
  const origin = Date.parse(window.partOf ?? window.start);
  const goesOn = state.schedule.next?.some(({ partOf }) => partOf !== undefined && Date.parse(partOf) === origin);
  if (goesOn === true) return `the window is interrupted by a blackout at ${window.end}, and goes on after it`;
  const { until } = message;
  return until !== undefined && Date.parse(until) <= Date.parse(window.end)
    ? `until is ${until}, and the window ends at ${window.end} anyway; allowed: a later moment`
    : null;
}

/** Carries out a checked extension at `now` (ISO 8601). */
export function extendWindow(
  state: ClusterState,
  message: Extension,
  now: string,
): { effect: string; run: number | null } {
  const window = presentWindow(state, Date.parse(now));
  if (window === null || window.end === null) throw new RangeError('extendWindow was not checked');
  const { duration = '0s', until, by = UNKNOWN_SENDER, reason = null } = message;
  const endMs = until === undefined ? Date.parse(window.end) + parseDuration(duration) : Date.parse(until);
  const laterMs = endMs - Date.parse(window.end);
  const end = isoSecond(endMs);
  const extended: OpenWindow = {
    ...window,
    end,
    cutoff: window.cutoff === null ? null : isoSecond(Date.parse(window.cutoff) + laterMs),
    extended: { by, at: now, reason },
  };
  const { schedule, run } = state;
  const isSame = ({ start }: MaintenanceWindow): boolean => start === window.start;
  state.schedule = {
    ...schedule,
    open: extended,
    next: schedule.next?.map((one) => (isSame(one) ? extended : one)) ?? null,
  };
  const effect = `the window of ${window.start} ends at ${end} instead of ${window.end}`;
  if (run?.bound !== true || run.state !== 'running') return { effect, run: null };
  return { effect: `${effect}; ${effectOnRun(state, run, endMs, Date.parse(now))}`, run: run.number };
}

/** What becomes of the run in progress once its window ends at `endMs`. */
function effectOnRun(state: ClusterState, run: ActiveRun, endMs: number, now: number): string {
  const subject = `run ${run.number}`;
  if (state.paused !== null) return `${subject} is paused by ${senderText(state.paused)}`;
  const waits = waitsForDecision(state, run);
  if (waits !== null) return waits;
  const limitMs = runWindow(state, run, now)?.endMs ?? endMs;
  if (limitMs >= endMs) return startsIn(state, run, now);
  const blackout = state.schedule.blackouts.find(({ start }) => Date.parse(start) === limitMs);
  const why = blackout === undefined ? 'that is its deadline' : `a blackout begins then (${blackout.reason})`;
  return `${subject} starts no node after ${isoSecond(limitMs)}: ${why}`;
}

function startsIn(state: ClusterState, run: ActiveRun, now: number): string {
  const subject = `run ${run.number}`;
  const window = runWindow(state, run, now);
  if (window !== null && window.cutoffMs !== null) return `${subject} starts nodes until ${isoSecond(window.cutoffMs)}`;
  const shortest = shortestForecast(state, run);
  // What a run workflow in progress has begun is its own affair.
  if (run.suspended === null || window === null || shortest === null || now + shortest <= window.endMs)
    return `${subject} starts nodes that are forecast to end by then`;
  const least = formatDuration(roundUpToMinutes(shortest));
  return `${subject} stays suspended: no node is forecast to end by then, and the shortest takes ${least}`;
}
