/** A run in progress as a whole: how far, what is next and why not yet, what may still fail, when the end is forecast. */
import type { LiveStatus } from '../../client/live-status';
import { memberNameOf } from '../../domain/cluster/member';
import { describeHold, someOf } from '../../domain/run/describe-hold';
import type { Forecast } from '../../domain/run/forecast';
import { GUESSED_PATCH_MS } from '../../domain/run/forecast';
import type { RunDetail } from '../../domain/run/run';
import { formatDuration } from '../../domain/shared/duration';
import { MINUTE_MS } from '../../domain/shared/time-units';
import { textWidth } from './columns';
import type { StatusView } from './member-cells';
import { formatElapsed, formatTime, oneLine } from './text';
import { plural } from '../../domain/shared/plural';

type RunInStatus = NonNullable<LiveStatus['run']>;

const BAR_WIDTH = 30;
/** A bar below this width says nothing. */
const MIN_BAR_WIDTH = 8;

/** Names and values; empty without a run. */
export function runFields(status: LiveStatus, view: StatusView): [string, string][] {
  const { run } = status;
  if (run === null) return [];
  const { detail } = run;
  const done = `${run.done} of ${plural(run.total, memberNameOf(status.type))} done`;
  const fields: [string, string][] = [
    ['Run', `${run.number} (${run.trigger}), ${run.state} for ${formatElapsed(run.startedAt, view.now)}, ${done}`],
  ];
  if (detail === undefined) return fields;
  const progress = withBar(run, percentOf(run), (view.color.columns ?? Infinity) - FIELD_NAMES);
  return [...fields, ['Progress', progress], ...detailFields(status, detail, view)];
}

/** The widest name of a field, and the gap. */
const FIELD_NAMES = 'Last refusal  '.length;

/** 100 % only when nothing is left. */
export function percentOf({ done, total }: RunInStatus): string {
  return `${done < total ? Math.min(99, Math.floor((done / total) * 100)) : 100} %`;
}

/** `[#####-----] text`, in at most `room` columns. */
export function withBar({ done, total }: RunInStatus, text: string, room: number): string {
  const width = Math.min(BAR_WIDTH, room - textWidth(text) - 3);
  if (width < MIN_BAR_WIDTH) return text;
  const filled = done < total ? Math.min(width - 1, Math.floor((done / total) * width)) : width;
  return `[${'#'.repeat(filled)}${'-'.repeat(width - filled)}] ${text}`;
}

function detailFields(status: LiveStatus, detail: RunDetail, view: StatusView): [string, string][] {
  const { limits, stage, stages } = detail;
  const fields: [string, string][] = [['In work', inWorkOf(detail)]];
  if (stages > 1) fields.push(['Stage', `${stage} of ${stages}`]);
  if (limits.maxUnavailable !== null) fields.push(['Unavailable', `at most ${limits.maxUnavailable} nodes`]);
  fields.push(['Failures', budgetOf(detail)]);
  const next = nextOf(status, detail, view);
  if (next !== null) fields.push(['Next', next]);
  const end = endOf(status, view.zone);
  if (end !== null) fields.push(['Forecast', end]);
  return fields;
}

/** `3 of 5 places, 1 lost`. */
export function inWorkOf({ inFlightCount, lostCount, limits }: RunDetail): string {
  const lost = lostCount === 0 ? '' : `, and ${lostCount} cannot be reached after a change`;
  return `${inFlightCount} of ${plural(limits.concurrency, 'place')} taken${lost}`;
}

/** `1 of 2 allowed; with more, the run stops`. */
export function budgetOf({ failures, limits: { maxFailures, onExceeded } }: RunDetail): string {
  const end = onExceeded === 'stop' ? 'the run stops' : 'the run waits for a decision';
  if (failures > maxFailures) return `${failures}, more than the ${maxFailures} allowed: ${end}`;
  if (maxFailures === 0) return `0; at the first one ${end}`;
  return `${failures} of ${maxFailures} allowed; with more, ${end}`;
}

/** `w-4, w-5 and 371 more, not yet: all 5 places are taken`; null: nothing is left to start. */
export function nextOf(
  { type }: LiveStatus,
  { upcoming, waitingCount, hold }: RunDetail,
  { zone }: StatusView,
): string | null {
  if (waitingCount === 0) return null;
  const names = oneLine(someOf(upcoming, 3, waitingCount));
  if (hold === null) return names;
  const time = (ms: number): string => formatTime(new Date(ms).toISOString(), zone);
  return `${names}, not yet: ${oneLine(describeHold(hold, memberNameOf(type), time))}`;
}

/** `the run ends about 2026-11-29 03:40, 20m before its window does`; what the forecast rests on is said. */
export function endOf({ runEnd, run }: LiveStatus, zone: string): string | null {
  const windowEnd = run?.detail?.windowEnd ?? null;
  const window = windowEnd === null ? null : `the window ends at ${formatTime(windowEnd, zone).slice(0, 16)}`;
  if (runEnd === undefined) return window;
  const end = `${formatTime(runEnd.at, zone).slice(0, 16)}${restsOn(runEnd.from)}`;
  if (windowEnd === null) return `the run ends about ${end}`;
  const lateMs = Math.round((Date.parse(runEnd.at) - Date.parse(windowEnd)) / MINUTE_MS) * MINUTE_MS;
  if (lateMs <= 0) return `the run ends about ${end}, ${formatDuration(-lateMs)} in time: ${window}`;
  return `the run would last until about ${end}, ${formatDuration(lateMs)} too long: ${window}, and the rest waits for the next one`;
}

/** Nothing, when the forecasts rest on the patches of the nodes themselves. */
export function restsOn(from: Forecast['from']): string {
  if (from === 'guess') return `, a guess that assumes ${formatDuration(GUESSED_PATCH_MS)} per node`;
  return from === 'cluster' ? ', from what the patches of other nodes took' : '';
}
