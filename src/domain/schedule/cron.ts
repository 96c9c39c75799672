import { Cron } from 'croner';
import type { LocalMs } from '../shared/dates';
import { show } from '../spec/issues';
import { DAY_MS } from '../shared/time-units';

const FIELDS = [
  { name: 'minute', allowed: '0 to 59' },
  { name: 'hour', allowed: '0 to 23' },
  { name: 'day-of-month', allowed: '1 to 31, L for the last day' },
  { name: 'month', allowed: '1 to 12 or JAN to DEC' },
  { name: 'day-of-week', allowed: '0 to 7 or SUN to SAT, SUN#1 to SUN#5 for one Sunday of the month' },
] as const;

export const CRON_FORMAT = 'five fields: minute hour day-of-month month day-of-week, e.g. "30 2 * * SUN#2"';

/**
 * Why a cron expression is rejected as a schedule; null when it is accepted. A valid expression that never fires is
 * rejected too.
 */
export function checkCron(expression: string): string | null {
  const fields = expression.trim().split(/\s+/);
  if (expression.trim().startsWith('@')) return `nicknames are not supported; allowed: ${CRON_FORMAT}`;
  if (expression.trim() === '' || fields.length !== 5) {
    const found = expression.trim() === '' ? 0 : fields.length;
    const seconds = found > 5 ? ' (no seconds and no year)' : '';
    return `${found} ${found === 1 ? 'field' : 'fields'}; allowed: ${CRON_FORMAT}${seconds}`;
  }
  try {
    const first = calendarOf(expression).nextRun(new Date(Date.UTC(2000, 0, 1)));
    return first === null ? 'no such date exists; allowed: a day that the month can have' : null;
  } catch {
    return explain(fields);
  }
}

/** Whether a valid cron expression fires on February 29 and on no other day. */
export function isLeapDayCron(expression: string): boolean {
  // The three years without a leap day: any other date fires before 2004.
  const first = calendarOf(expression).nextRun(new Date(Date.UTC(2001, 0, 1) - 1_000));
  return first !== null && first.toISOString().startsWith('2004-02-29');
}

/** Whether two starts of a valid cron expression are less than `ms` apart on the wall clock. */
export function startsCloserThan(expression: string, ms: number): boolean {
  // The times of day are the same on each day that has any.
  const walls = cronWalls(expression, FOUR_YEARS.from, 2 * (DAY_MS / ms) + 2);
  return walls.some((wall, at) => at > 0 && wall - (walls[at - 1] ?? 0) < ms);
}

const STAR = /^[*?]$/;
const WEEKDAYS = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT', 'SUN'];
/** Day-of-month ranges that contain each weekday exactly once. */
const NTH: Readonly<Record<string, number>> = { '1-7': 1, '8-14': 2, '15-21': 3, '22-28': 4 };

export interface EitherDay {
  dayOfMonth: string;
  dayOfWeek: string;
  /** Start days per month, on average over months that have any. */
  daysPerMonth: number;
  /** The expression for days that match both fields. */
  both: string;
}

/** A valid cron expression with both day fields, either of which triggers a start; null for other expressions. */
export function eitherDayOf(expression: string): EitherDay | null {
  const [minute = '', hour = '', dayOfMonth = '', month = '', dayOfWeek = ''] = expression.trim().split(/\s+/);
  if (STAR.test(dayOfMonth) || STAR.test(dayOfWeek) || dayOfWeek.startsWith('+')) return null;
  const days = cronWalls(`0 0 ${dayOfMonth} ${month} ${dayOfWeek}`, FOUR_YEARS.from, MAX_DAYS).filter(
    (wall) => wall < FOUR_YEARS.to,
  );
  const months = new Set(days.map((wall) => new Date(wall).toISOString().slice(0, 7)));
  const nth = NTH[dayOfMonth];
  const name = /^[0-7]$/.test(dayOfWeek) ? WEEKDAYS[Number(dayOfWeek)] : dayOfWeek.toUpperCase();
  const both =
    nth !== undefined && name !== undefined && WEEKDAYS.includes(name)
      ? [minute, hour, '*', month, `${name}#${nth}`]
      : [minute, hour, dayOfMonth, month, `+${dayOfWeek}`];
  return {
    ...{ dayOfMonth, dayOfWeek, both: both.join(' ') },
    daysPerMonth: Math.max(1, Math.round(days.length / Math.max(1, months.size))),
  };
}

// Includes one leap day.
const FOUR_YEARS = { from: Date.UTC(2025, 0, 1) - 1_000, to: Date.UTC(2029, 0, 1) };
const MAX_DAYS = 1_500;

/**
 * Wall times of a cron expression after `wall`, ascending; at most `count`. Computed on a plain calendar without zone.
 */
export function cronWalls(expression: string, wall: LocalMs, count: number): LocalMs[] {
  return calendarOf(expression)
    .nextRuns(count, new Date(wall))
    .map((date) => date.getTime());
}

// In UTC, so that no clock change disturbs the enumeration; the zone is applied to the result.
function calendarOf(expression: string): Cron {
  return new Cron(expression.trim(), { timezone: 'UTC', mode: '5-part', paused: true });
}

/** Names the invalid field, found by parsing each field alone. */
function explain(fields: readonly string[]): string {
  const at = fields.findIndex((field, index) => !isReadable(FIELDS.map((_, other) => (other === index ? field : '*'))));
  const { name, allowed } = FIELDS[at] ?? {};
  if (name === undefined) return `the fields contradict each other; allowed: ${CRON_FORMAT}`;
  const found = show(fields[at]);
  return `the ${name} field ${found} is not valid; allowed: ${allowed}, ranges (1-5), steps (*/2) and lists (1,3)`;
}

function isReadable(fields: readonly string[]): boolean {
  try {
    calendarOf(fields.join(' '));
    return true;
  } catch {
    return false;
  }
}
