import { Cron } from 'croner';
import type { WallMs } from './spec-dates';
import { show } from './spec-issues';

const FIELDS = [
  { name: 'minute', allowed: '0 to 59' },
  { name: 'hour', allowed: '0 to 23' },
  { name: 'day-of-month', allowed: '1 to 31, L for the last day' },
  { name: 'month', allowed: '1 to 12 or JAN to DEC' },
  { name: 'day-of-week', allowed: '0 to 7 or SUN to SAT, SUN#1 to SUN#5 for one Sunday of the month' },
] as const;

export const CRON_FORM = 'five fields: minute hour day-of-month month day-of-week, e.g. "30 2 * * SUN#2"';

/**
 * Why a cron expression cannot be a schedule, or null when it can. Says so too when it parses but never fires.
 */
export function checkCron(expression: string): string | null {
  const fields = expression.trim().split(/\s+/);
  if (expression.trim().startsWith('@')) return `nicknames are not supported; allowed: ${CRON_FORM}`;
  if (expression.trim() === '' || fields.length !== 5) {
    const found = expression.trim() === '' ? 0 : fields.length;
    const seconds = found > 5 ? ' (no seconds and no year)' : '';
    return `${found} ${found === 1 ? 'field' : 'fields'}; allowed: ${CRON_FORM}${seconds}`;
  }
  try {
    const first = calendarOf(expression).nextRun(new Date(Date.UTC(2000, 0, 1)));
    return first === null ? 'no such date ever comes; allowed: a day that the month can have' : null;
  } catch {
    return explain(fields);
  }
}

/** Whether a valid cron expression comes on February 29 and on no other day. */
export function isLeapDayCron(expression: string): boolean {
  // Three years without a leap day, so that whatever comes in other years comes before 2004.
  const first = calendarOf(expression).nextRun(new Date(Date.UTC(2001, 0, 1) - 1_000));
  return first !== null && first.toISOString().startsWith('2004-02-29');
}

/** The wall times of a cron expression after `wall`, ascending; at most `count`. The clock is a plain calendar. */
export function cronWalls(expression: string, wall: WallMs, count: number): WallMs[] {
  return calendarOf(expression)
    .nextRuns(count, new Date(wall))
    .map((date) => date.getTime());
}

// In UTC, so that no clock change of any zone disturbs the enumeration; the zone is applied to the result.
function calendarOf(expression: string): Cron {
  return new Cron(expression.trim(), { timezone: 'UTC', mode: '5-part', paused: true });
}

/** The field that cannot be read, found by reading each one alone. */
function explain(fields: readonly string[]): string {
  const at = fields.findIndex((field, index) => !isReadable(FIELDS.map((_, other) => (other === index ? field : '*'))));
  const { name, allowed } = FIELDS[at] ?? {};
  if (name === undefined) return `the fields do not go together; allowed: ${CRON_FORM}`;
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
