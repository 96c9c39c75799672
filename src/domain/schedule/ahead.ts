/**
 * The windows and blackouts to come. Uses time-zone data, which changes with the Node.js version: never import this module
 * into a workflow; an activity calls it and records the instants.
 */
import { defined } from '../shared/defined';
import { plainText } from '../shared/text';
import { DAY_MS } from '../shared/time-units';
import type { PatchableSpec } from '../spec/types';
import type { CalendarFiles, Period, PeriodsBetween } from './blackouts';
import { endOfBlackout, periodsOf, reasonsOf, without } from './blackouts';
import type { BlackoutPeriod, CalendarAhead, MaintenanceWindow, RemovedWindow } from './window';
import type { Calendar, Span } from './windows';
import { spansAhead } from './windows';
import { formatInstant } from './zone';

/** A window without an end goes on for so long after blackouts; no run lasts longer. */
const MAX_PARTS_MS = 32 * DAY_MS;

/** So far ahead blackouts are listed, and looked for from the start of a window without an end. */
const BLACKOUTS_AHEAD_MS = 60 * DAY_MS;

/** By default so many entries are in each list. */
const MAX_LISTED = 40;

/** Windows that are looked at for one of which a blackout leaves something. */
const MAX_SEARCHED = 100;

/** So many characters of a reason are kept. */
const MAX_REASON = 100;

export interface AheadOptions {
  /** Windows that start earlier do not count: then the schedule was changed. */
  sinceMs: number;
  /** What starts up to then has been dealt with. */
  afterMs: number;
  /** Blackouts that have ended by then are left out. */
  nowMs: number;
  /** Windows wanted; a window that blackouts cut into parts counts once. */
  count: number;
  files?: CalendarFiles;
  /** Neither windows nor blackouts after it are wanted. Default: blackouts up to 60 days from now, all windows. */
  untilMs?: number;
  /** Entries of each list at most. Default 40. */
  listed?: number;
}

/**
 * The next windows without what blackouts take away.
 *
 * A window with an end keeps all parts that are left. A window without an end begins at the end of a blackout if that is
 * within its `startWithin`, else it is removed; it goes on after each blackout until the next window without an end.
 *
 * @throws RangeError for an unknown time zone, a calendar that validation rejects, or a calendar file that is not there
 */
export function calendarAhead(
  calendar: Calendar,
  { sinceMs, afterMs, nowMs, count, files = new Map(), listed = MAX_LISTED, untilMs }: AheadOptions,
): CalendarAhead {
  const { timeZone, blackouts } = calendar;
  const between = periodsOf(blackouts, timeZone, files);
  const found: Cut[] = [];
  let wanted = 0;
  /** Start of the first window that is not looked at. What starts later is not known in full. */
  let limit = Infinity;
  // Of windows that have begun, parts may be left.
  for (const span of spansAhead(calendar, sinceMs, afterMs - (blackouts.length === 0 ? 0 : MAX_PARTS_MS))) {
    const isPart = ({ start }: Part): boolean => start > afterMs && start < span.start;
    const isEnough = wanted >= count && (wanted >= count + MAX_SEARCHED || found.some((one) => one.parts.some(isPart)));
    if (isEnough || span.start > (untilMs ?? Infinity)) {
      limit = span.start;
      break;
    }
    const last = found.at(-1);
    if (last?.span.end === null && span.end === null) endAt(last, span.start);
    found.push(cut(span, between));
    if (span.start > afterMs) wanted += 1;
  }
  const parts = oneForEachStart(
    found.flatMap((one) => one.parts).filter(({ start }) => start > afterMs && start < limit),
  );
  const windows = firstOf(parts, listed);
  const next = parts.find(({ of }) => of > afterMs);
  // Behind many parts of one window the next one is still wanted, for display and for downloads before it.
  if (next !== undefined && !windows.items.includes(next)) windows.items.push(next);
  const removed = found.flatMap(({ span, removedBy }) =>
    removedBy === null || span.start <= afterMs ? [] : [{ ...span, reason: reasonsOf(removedBy) }],
  );
  const horizon = untilMs ?? nowMs + BLACKOUTS_AHEAD_MS;
  const periods = firstOf(between(nowMs, horizon), listed);
  const ends = [
    ...[windows.until, periods.until],
    ...(blackouts.length === 0 ? [] : [horizon]),
    ...(windows.items.length === 0 && limit < Infinity ? [limit] : []),
  ];
  const until = Math.min(...ends.filter((end) => end !== null));
  return {
    windows: windows.items.map(toWindow),
    removed: firstOf(removed, listed).items.map(toRemoved),
    blackouts: periods.items.map((period) => toBlackout(period, timeZone)),
    until: until === Infinity ? null : new Date(until).toISOString(),
  };
}

/**
 * The calendar of a spec away from its workers, which have the calendar files. `known`: the blackouts that its cluster knows,
 * which stand for those of the files; null: none are known, and the files are `missing`.
 */
export function calendarOf(
  { name, patching }: PatchableSpec,
  known: readonly BlackoutPeriod[] | null,
): { calendar: Calendar; files: CalendarFiles; missing: string[] } {
  const { schedule = [], timeZone, blackouts = [] } = patching;
  const names = [...new Set(blackouts.flatMap((blackout) => ('ical' in blackout ? [blackout.ical] : [])))];
  const periods = (known ?? []).map(({ start, end, reason }) => ({
    ...{ start: Date.parse(start), end: Date.parse(end), reason },
  }));
  return {
    calendar: { cluster: name, schedule, timeZone, blackouts },
    files: new Map(names.map((file) => [file, periods])),
    missing: known === null ? names : [],
  };
}

/** A part of a window that is left; epoch milliseconds. */
interface Part {
  start: number;
  end: number | null;
  cutoff: number | null;
  startBy: number;
  /** Start of the window. */
  of: number;
  zone: string;
}

interface Cut {
  span: Span;
  parts: Part[];
  /** The blackouts that leave nothing in which a run may begin; null: something is left. */
  removedBy: Period[] | null;
}

function cut(span: Span, between: PeriodsBetween): Cut {
  return span.end === null ? cutEndless(span, between) : cutBounded({ ...span, end: span.end }, between);
}

function cutBounded(span: Span & { end: number }, between: PeriodsBetween): Cut {
  const { start, end, cutoff, zone } = span;
  const periods = between(start, end);
  const before = cutoff === null ? 0 : end - cutoff;
  const parts = without(periods, start, end)
    .map((free): Part => ({
      ...free,
      // A blackout ends the part as the end does the window, so that nodes are done by then.
      cutoff: cutoff === null ? null : free.end - before,
      // Lateness counts from the moment at which the run could begin.
      startBy: Math.min(free.start + (span.startBy - start), free.end),
      ...{ of: start, zone },
    }))
    // A part that is not longer than the cutoff is no time in which a node may be started.
    .filter((part) => (part.cutoff ?? Infinity) > part.start);
  return { span, parts, removedBy: parts.length === 0 ? periods : null };
}

function cutEndless(span: Span, between: PeriodsBetween): Cut {
  const { start, startBy, zone } = span;
  const horizon = start + BLACKOUTS_AHEAD_MS;
  const periods = between(start, horizon);
  const begin = endOfBlackout(periods, start);
  if (begin > startBy) return { span, parts: [], removedBy: periods.filter((period) => period.start < begin) };
  const parts = without(periods, begin, horizon)
    .filter((free) => free.start < start + MAX_PARTS_MS)
    .map((free): Part => ({
      ...free,
      end: free.end === horizon ? null : free.end,
      ...{ cutoff: null, startBy, of: start, zone },
    }));
  return { span, parts, removedBy: null };
}

/** The next window without an end takes the place of what is left of this one. */
function endAt(found: Cut, next: number): void {
  found.parts = found.parts.filter((part) => part.start < next);
}

/** Parts with one start are one: it ends as late as the last of them, and a run may begin in it as late as in any. */
function oneForEachStart(parts: readonly Part[]): Part[] {
  const byStart = new Map<number, Part>();
  for (const part of parts) {
    const other = byStart.get(part.start);
    if (other === undefined) {
      byStart.set(part.start, part);
      continue;
    }
    const longer = (part.end ?? Infinity) > (other.end ?? Infinity) ? part : other;
    const later = part.of > other.of ? part : other;
    byStart.set(part.start, { ...longer, startBy: Math.max(part.startBy, other.startBy), of: later.of });
  }
  return [...byStart.values()].sort((one, other) => one.start - other.start);
}

/** As many as are listed, and the start of the first that is not. */
function firstOf<T extends { start: number }>(all: readonly T[], listed: number): { items: T[]; until: number | null } {
  return { items: all.slice(0, listed), until: all[listed]?.start ?? null };
}

function toWindow({ start, end, cutoff, startBy, of, zone }: Part): MaintenanceWindow {
  return {
    start: text(start, zone),
    end: end === null ? null : text(end, zone),
    cutoff: cutoff === null ? null : text(cutoff, zone),
    ...defined({
      startBy: startBy < (cutoff ?? end ?? Infinity) ? text(startBy, zone) : undefined,
      partOf: of < start ? text(of, zone) : undefined,
    }),
  };
}

function toRemoved({ start, end, reason, zone }: Span & { reason: string }): RemovedWindow {
  return { start: text(start, zone), end: end === null ? null : text(end, zone), reason: shortReason(reason) };
}

function toBlackout({ start, end, reason }: Period, timeZone: string): BlackoutPeriod {
  return { start: text(start, timeZone), end: text(end, timeZone), reason: shortReason(reason) };
}

function shortReason(reason: string): string {
  return plainText(reason, MAX_REASON);
}

function text(instant: number, zone: string): string {
  return formatInstant(instant, zone).iso.replace(/\+00:00$/, 'Z');
}
