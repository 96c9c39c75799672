/**
 * The times of blackouts. Uses time-zone data, which changes with the Node.js version: never import this module into a
 * workflow.
 */
import { parseDateTime } from '../shared/dates';
import { parseDuration } from '../shared/duration';
import { DAY_MS } from '../shared/time-units';
import type { Blackout } from '../spec/types';
import { startsAfter } from './next-starts';
import { instantOfWall } from './zone';

/** A time in which nothing is started; epoch milliseconds, the end is not part of it. */
export interface Period {
  start: number;
  end: number;
  reason: string;
}

/** The periods of the calendar files that blackouts name. */
export type CalendarFiles = ReadonlyMap<string, readonly Period[]>;

/** Periods of all blackouts that overlap the time from `from` to `to`, in order of their starts. */
export type PeriodsBetween = (from: number, to: number) => Period[];

/** @throws RangeError for an unknown time zone, a malformed blackout, or a calendar file that is not there. */
export function periodsOf(blackouts: readonly Blackout[], timeZone: string, files: CalendarFiles): PeriodsBetween {
  const sources = blackouts.map((blackout) => sourceOf(blackout, timeZone, files));
  return (from, to) =>
    sources
      .flatMap((source) => source(from, to))
      .filter(({ start, end }) => start < to && end > from)
      .sort((one, other) => one.start - other.start);
}

function sourceOf(blackout: Blackout, timeZone: string, files: CalendarFiles): PeriodsBetween {
  if ('ical' in blackout) {
    const periods = files.get(blackout.ical);
    if (periods === undefined) throw new RangeError(`the calendar ${blackout.ical} was not read`);
    const { reason } = blackout;
    const all = reason === undefined ? periods : periods.map((period) => ({ ...period, reason }));
    return () => [...all];
  }
  const zone = blackout.timeZone ?? timeZone;
  const { reason } = blackout;
  if ('from' in blackout) {
    const period = { start: instantOf(blackout.from, zone), end: instantOf(blackout.to, zone), reason };
    return () => [period];
  }
  return recurring(blackout, zone);
}

/** Computed for more than is asked for, because questions come for one window after the other. */
const COMPUTED_AHEAD_MS = 60 * DAY_MS;

function recurring({ cron, duration, reason }: Extract<Blackout, { cron: string }>, zone: string): PeriodsBetween {
  const length = parseDuration(duration);
  const entry = { cron, startWithin: duration };
  let known = { from: 0, to: 0, periods: [] as Period[] };
  return (from, to) => {
    if (from >= known.from && to <= known.to) return known.periods;
    known = { from, to: to + COMPUTED_AHEAD_MS, periods: [] };
    for (const start of startsAfter(entry, zone, from - length)) {
      if (start >= known.to) break;
      known.periods.push({ start, end: start + length, reason });
    }
    return known.periods;
  };
}

function instantOf(local: string, zone: string): number {
  const wall = parseDateTime(local);
  if (wall === null) throw new RangeError(`not a local date and time: ${JSON.stringify(local)}`);
  return instantOfWall(wall, zone);
}

/** What is left of the time from `from` to `to`, in order. */
export function without(periods: readonly Period[], from: number, to: number): { start: number; end: number }[] {
  const free: { start: number; end: number }[] = [];
  let at = from;
  for (const { start, end } of periods) {
    if (start > at) free.push({ start: at, end: Math.min(start, to) });
    at = Math.max(at, end);
    if (at >= to) return free;
  }
  free.push({ start: at, end: to });
  return free;
}

/** The end of the blackout that is in force at `at`, of all that follow without a gap; `at` when there is none. */
export function endOfBlackout(periods: readonly Period[], at: number): number {
  return periods.reduce((end, period) => (period.start <= end && period.end > end ? period.end : end), at);
}

/** Each reason once, in order. */
export function reasonsOf(periods: readonly Period[]): string {
  return [...new Set(periods.map(({ reason }) => reason))].join(' and ');
}
