/** The windows and blackouts of some weeks. Uses time-zone data: never import this module into a workflow. */
import { DAY_MS } from '../shared/time-units';
import type { PatchableSpec } from '../spec/types';
import { calendarAhead, calendarOf } from './ahead';
import type { BlackoutPeriod, MaintenanceWindow, RemovedWindow } from './window';

/** More entries than that in some weeks are not of use to anybody. */
const MAX_ENTRIES = 2_000;

export interface ClusterCalendar {
  cluster: string;
  timeZone: string;
  /** ISO 8601; the calendar holds what begins between them, and blackouts in force at the begin. */
  from: string;
  to: string;
  windows: MaintenanceWindow[];
  /** Windows of which blackouts leave nothing. */
  removed: RemovedWindow[];
  blackouts: BlackoutPeriod[];
  /** Calendar files whose blackouts are left out, because they are on the worker. */
  missing: string[];
}

/**
 * @param known blackouts that the cluster knows, which stand for those of calendar files; null: none are known
 * @param from epoch milliseconds
 */
export function calendarFor(
  spec: PatchableSpec,
  { known, from, weeks }: { known: readonly BlackoutPeriod[] | null; from: number; weeks: number },
): ClusterCalendar {
  const { calendar, files, missing } = calendarOf(spec, known);
  const to = from + weeks * 7 * DAY_MS;
  const { windows, removed, blackouts } = calendarAhead(calendar, {
    ...{ sinceMs: from, afterMs: from, nowMs: from, count: MAX_ENTRIES },
    ...{ untilMs: to, files, listed: MAX_ENTRIES },
  });
  const isIn = ({ start }: { start: string }): boolean => Date.parse(start) < to;
  return {
    ...{ cluster: spec.name, timeZone: calendar.timeZone },
    ...{ from: new Date(from).toISOString(), to: new Date(to).toISOString() },
    windows: windows.filter(isIn),
    removed: removed.filter(isIn),
    blackouts: withoutTwins(blackouts.filter(isIn)),
    missing,
  };
}

/** Those of a spec are among those that its cluster knows. */
function withoutTwins(blackouts: readonly BlackoutPeriod[]): BlackoutPeriod[] {
  const keyOf = ({ start, end, reason }: BlackoutPeriod): string => `${Date.parse(start)} ${Date.parse(end)} ${reason}`;
  return [...new Map(blackouts.map((one) => [keyOf(one), one])).values()];
}
