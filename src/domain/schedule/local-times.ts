import { cronWalls } from './cron';
import type { CustomDate, Preset, ScheduleEntry } from '../spec/types';
import { daysInMonth, parseDate, parseDateTime } from '../shared/dates';
import { DAY_MS } from '../shared/time-units';
import type { LocalMs } from '../shared/dates';

/** The Sunday from which every second Sunday is counted when the spec has no anchor. */
export const DEFAULT_ANCHOR = '2024-01-07';

// Enough for a few answers; more are computed in further batches.
const CRON_BATCH = 50;
// The last year that croner and ISO dates support; far beyond any relevant start.
const LAST_YEAR = 2999;

/** Wall times of a schedule at or after `from`, ascending; infinite unless the schedule ends. */
export function* wallTimes(schedule: ScheduleEntry, from: LocalMs): Generator<LocalMs> {
  if ('preset' in schedule) yield* presetTimes(schedule.preset, schedule.anchor, from);
  else if ('custom' in schedule) yield* customWalls(schedule.custom, from);
  else if ('cron' in schedule) yield* allCronWalls(schedule.cron, from);
  else yield* onceWalls(schedule.once, from);
}

function presetTimes(preset: Preset, anchor: string | undefined, from: LocalMs): Generator<LocalMs> {
  switch (preset) {
    case 'weekly':
      return everyDays(7, dateOf(DEFAULT_ANCHOR), from);
    case 'every-2-weeks': {
      const start = dateOf(anchor ?? DEFAULT_ANCHOR);
      return everyDays(14, start, anchor === undefined ? from : Math.max(from, start));
    }
    case 'monthly':
      return everyMonths(1, from);
    case 'every-2-months':
      return everyMonths(2, from);
  }
}

function* everyDays(days: number, origin: LocalMs, from: LocalMs): Generator<LocalMs> {
  const step = days * DAY_MS;
  for (let wall = origin + Math.ceil((from - origin) / step) * step; isInCalendar(wall); wall += step) yield wall;
}

/** The first day of every `step`-th month, counted from January. */
function* everyMonths(step: number, from: LocalMs): Generator<LocalMs> {
  const start = new Date(from);
  for (let month = start.getUTCMonth() - (start.getUTCMonth() % step); ; month += step) {
    const wall = Date.UTC(start.getUTCFullYear(), month, 1);
    if (!isInCalendar(wall)) return;
    if (wall >= from) yield wall;
  }
}

function* customWalls(custom: CustomDate, from: LocalMs): Generator<LocalMs> {
  for (let year = new Date(from).getUTCFullYear(); year <= LAST_YEAR; year++) {
    if (custom.day > daysInMonth(year, custom.month)) continue;
    const wall = Date.UTC(year, custom.month - 1, custom.day, custom.hour, custom.minute);
    if (wall >= from) yield wall;
  }
}

function* allCronWalls(expression: string, from: LocalMs): Generator<LocalMs> {
  let after = from - 1_000;
  for (;;) {
    const batch = cronWalls(expression, after, CRON_BATCH);
    yield* batch;
    const last = batch.at(-1);
    if (last === undefined || batch.length < CRON_BATCH) return;
    after = last;
  }
}

function* onceWalls(once: string, from: LocalMs): Generator<LocalMs> {
  const wall = parseDateTime(once);
  if (wall === null) throw new RangeError(`not a local date and time: ${JSON.stringify(once)}`);
  if (wall >= from) yield wall;
}

function dateOf(text: string): LocalMs {
  const wall = parseDate(text);
  if (wall === null) throw new RangeError(`not a date: ${JSON.stringify(text)}`);
  return wall;
}

function isInCalendar(wall: LocalMs): boolean {
  return new Date(wall).getUTCFullYear() <= LAST_YEAR;
}
