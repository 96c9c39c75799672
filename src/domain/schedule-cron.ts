import { Cron } from 'croner';
import type { WallMs } from './spec-dates';

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
  } catch (error) {
    return `${explain(error)}; allowed: ${CRON_FORM}`;
  }
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

function explain(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(/^CronPattern: /, '').replace(/\.$/, '');
}
