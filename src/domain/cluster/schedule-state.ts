/** What a cluster knows of its windows and blackouts, and when it has to ask again. */
import { defined } from '../shared/defined';
import type { BlackoutPeriod, CalendarAhead, MaintenanceWindow, RemovedWindow } from '../schedule/window';
import { blackoutIn, isWindowOpen, mayBegin } from '../schedule/window';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../shared/time-units';
import type { ClusterSpec, PatchableSpec } from '../spec/types';

/** A window that has begun; somebody may have extended it. */
export interface OpenWindow extends MaintenanceWindow {
  extended?: { by: string; at: string; reason: string | null };
  /** Its end has passed and stands in the events. */
  closed?: true;
}

export interface ScheduleState {
  /** The last change of the schedule: a window whose start has passed by then does not count. */
  since: string;
  /** Only windows after this time count: the last change of the schedule, or the last processed window. */
  after: string;
  /** Upcoming windows; null = not computed yet. */
  next: MaintenanceWindow[] | null;
  /** Upcoming windows of which blackouts leave nothing. */
  removed: RemovedWindow[];
  /** Those in force and those to come. */
  blackouts: BlackoutPeriod[];
  /** The window that has been processed last, which may be open still. */
  open: OpenWindow | null;
  /** Start of the last window that has had its run. */
  served: string | null;
  /** When windows and blackouts were computed, and calendar files read. */
  loadedAt: string | null;
  /** When they have to be computed again at the latest. Null: when there are no more windows. */
  refreshAt: string | null;
  /** Why they could not be computed; nothing is started by the schedule meanwhile. */
  error: string | null;
  /** When to try again after an error. */
  retryAt: string | null;
  /** The last time in which they could not. Absent: there was none. `to` absent: until now. */
  unknown?: { from: string; to?: string };
}

/** Number of windows computed in advance. */
export const WINDOWS_AHEAD = 5;

/** Delay before the next windows are loaded again after a failure. */
export const SCHEDULE_RETRY_MS = HOUR_MS;

/** The same when calendar files are needed, which somebody may be about to correct. */
const FILES_RETRY_MS = 5 * MINUTE_MS;

/** Calendar files are read at least that often, so that status and the calendar show what is in them. */
const FILES_REFRESH_MS = DAY_MS;

/** Nothing is started on what was read longer ago. */
const FILES_FRESH_MS = 10 * MINUTE_MS;

/** However much there is in the lists, they are not computed more often. */
const MIN_REFRESH_MS = HOUR_MS;

/** The schedule counts from `now` on. `ahead`: what comes after it; null when that is not computed yet. */
export function newSchedule(now: string, ahead: CalendarAhead | null = null): ScheduleState {
  const none = { open: null, served: null, loadedAt: null, refreshAt: null, error: null, retryAt: null };
  const schedule = { since: now, after: now, next: null, removed: [], blackouts: [], ...none };
  return ahead === null ? schedule : withAhead(schedule, ahead, Date.parse(now), false);
}

/**
 * Blackouts have changed: what is known of the windows to come no longer holds, but none counts anew. The open window goes on:
 * new blackouts interrupt its run by themselves.
 */
export function unload(schedule: ScheduleState): ScheduleState {
  return { ...schedule, next: null, refreshAt: null, error: null, retryAt: null };
}

/** Whether blackouts are in files on the worker. */
export function namesFiles({ patching: { blackouts = [] } }: PatchableSpec): boolean {
  return blackouts.some((blackout) => 'ical' in blackout);
}

/** `files`: whether calendar files were read. */
export function withAhead(schedule: ScheduleState, ahead: CalendarAhead, now: number, files: boolean): ScheduleState {
  const limits = [
    ...(ahead.until === null ? [] : [Math.max(Date.parse(ahead.until), now + MIN_REFRESH_MS)]),
    ...(files ? [now + FILES_REFRESH_MS] : []),
  ];
  const { unknown, ...rest } = schedule;
  const at = new Date(now).toISOString();
  return {
    ...rest,
    ...{ next: ahead.windows, removed: ahead.removed, blackouts: ahead.blackouts },
    open: cutBy(schedule.open, ahead.blackouts),
    loadedAt: at,
    refreshAt: limits.length === 0 ? null : new Date(Math.min(...limits)).toISOString(),
    error: null,
    retryAt: null,
    ...defined({ unknown: unknown === undefined ? undefined : { to: at, ...unknown } }),
  };
}

/**
 * The open window up to the first blackout in it, which may be newer than the window; what is left after the blackout is a
 * window to come. One that somebody has extended keeps its end: blackouts interrupt its run all the same.
 */
function cutBy(open: OpenWindow | null, blackouts: readonly BlackoutPeriod[]): OpenWindow | null {
  if (open === null || open.end === null || open.extended !== undefined) return open;
  const [startMs, endMs] = [Date.parse(open.start), Date.parse(open.end)];
  const starts = blackouts
    .filter(({ start, end }) => Date.parse(start) < endMs && Date.parse(end) > startMs)
    .map(({ start }) => Math.max(Date.parse(start), startMs));
  if (starts.length === 0) return open;
  const cutMs = Math.min(...starts);
  const cutoffMs = open.cutoff === null ? null : cutMs - (endMs - Date.parse(open.cutoff));
  return {
    ...open,
    end: new Date(cutMs).toISOString(),
    cutoff: cutoffMs === null ? null : new Date(cutoffMs).toISOString(),
  };
}

/** What was known before is still shown, but nothing is started on it. */
export function withError(schedule: ScheduleState, error: string, now: number, files: boolean): ScheduleState {
  const { unknown } = schedule;
  const isGoingOn = unknown !== undefined && unknown.to === undefined;
  return {
    ...schedule,
    error,
    retryAt: new Date(now + (files ? FILES_RETRY_MS : SCHEDULE_RETRY_MS)).toISOString(),
    unknown: isGoingOn ? unknown : { from: new Date(now).toISOString() },
  };
}

/** Whether windows and blackouts have to be computed at `now`. `starting`: something would be started then. */
export function isLoadDue(spec: PatchableSpec, schedule: ScheduleState, now: number, starting: boolean): boolean {
  const { patching } = spec;
  if (patching.schedule === undefined && patching.blackouts === undefined) return false;
  const { next, error, retryAt, refreshAt, loadedAt } = schedule;
  if (retryAt !== null && Date.parse(retryAt) > now) return false;
  if (next === null || error !== null) return true;
  if (refreshAt !== null && Date.parse(refreshAt) <= now) return true;
  return starting && namesFiles(spec) && now - Date.parse(loadedAt ?? '') > FILES_FRESH_MS;
}

/** When {@link isLoadDue} comes true without anything else happening; null: never. */
export function loadDueAt({ retryAt, refreshAt }: ScheduleState): number | null {
  const at = retryAt ?? refreshAt;
  return at === null ? null : Date.parse(at);
}

/** The window that starts at `at` has been processed at `now` (epoch milliseconds). */
export function consumed(schedule: ScheduleState, at: string, served: string | null, now: number): ScheduleState {
  const from = Date.parse(at);
  const isLater = ({ start }: { start: string }): boolean => Date.parse(start) > from;
  const next = (schedule.next ?? []).filter(isLater);
  return {
    ...schedule,
    after: new Date(Math.max(from, Date.parse(schedule.after))).toISOString(),
    next: next.length > 0 ? next : null,
    removed: schedule.removed.filter(isLater),
    open: laterEnd(schedule.open, begunWindow(schedule, from, now)),
    served: served ?? schedule.served,
  };
}

/** The window that starts at `from`. One that has passed as a whole never opened, so nothing is to be told of its end. */
function begunWindow({ next }: ScheduleState, from: number, now: number): OpenWindow | null {
  const window = next?.find(({ start }) => Date.parse(start) === from) ?? null;
  if (window === null || window.end === null || Date.parse(window.end) > now) return window;
  return { ...window, closed: true };
}

/** An extended window may end after the next one, and a long window after a short one that begins in it. */
function laterEnd(one: OpenWindow | null, next: OpenWindow | null): OpenWindow | null {
  if (one === null || next === null) return next ?? one;
  const isLonger = one.end !== null && next.end !== null && Date.parse(one.end) > Date.parse(next.end);
  return isLonger ? one : next;
}

/** The end of the open window, as far as that does not stand in the events yet. Null: there is none. */
export function windowEnd({ open }: ScheduleState): number | null {
  return open === null || open.end === null || open.closed === true ? null : Date.parse(open.end);
}

/** The open window whose end has passed without standing in the events. Null: there is none. */
export function endedWindow(schedule: ScheduleState, now: number): OpenWindow | null {
  const endMs = windowEnd(schedule);
  return endMs !== null && endMs <= now ? schedule.open : null;
}

/** The next window in which a run can begin. Null: none, or it is not known. */
export function nextBeginning({ next, served }: ScheduleState): MaintenanceWindow | null {
  const isServed = ({ partOf }: MaintenanceWindow): boolean =>
    partOf !== undefined && served !== null && Date.parse(partOf) === Date.parse(served);
  return (next ?? []).find((window) => !isServed(window) && mayBegin(window, Date.parse(window.start))) ?? null;
}

/** The window in which nodes may be started at `now`; null: none is open, or it is not known. */
export function openWindow({ open, next, error }: ScheduleState, now: number): MaintenanceWindow | null {
  if (error !== null) return null;
  const all = [...(open === null ? [] : [open]), ...(next ?? [])].filter((window) => isWindowOpen(window, now));
  const endOf = ({ end }: MaintenanceWindow): number => (end === null ? Infinity : Date.parse(end));
  return all.sort((one, other) => endOf(other) - endOf(one))[0] ?? null;
}

/**
 * The blackout at `now` (epoch milliseconds); null: none. Blackouts that are not known count as one without a known end:
 * then `reason` says why they are not known.
 */
export function blackoutAt(
  { spec, schedule }: { spec: ClusterSpec; schedule: ScheduleState },
  now: number,
): { reason: string; end: string | null } | null {
  if (!('patching' in spec) || spec.patching.blackouts === undefined) return null;
  if (schedule.error !== null) return { reason: schedule.error, end: null };
  if (schedule.loadedAt === null || schedule.next === null) return { reason: NOT_KNOWN, end: null };
  const { reason, end } = blackoutIn(schedule.blackouts, now) ?? {};
  return reason === undefined || end === undefined ? null : { reason, end };
}

const NOT_KNOWN = 'the blackouts are not known yet';
