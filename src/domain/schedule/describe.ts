import type { CustomDate, Preset, Schedule } from '../spec/types';
import { MONTHS } from '../shared/dates';

const PRESET_WORDS: Record<Preset, string> = {
  weekly: 'every Sunday at 00:00',
  'every-2-weeks': 'every second Sunday at 00:00',
  monthly: 'on the 1st of every month at 00:00',
  'every-2-months': 'on the 1st of January, March, May, July, September and November at 00:00',
};

/** A schedule as text, e.g. `every Sunday at 00:00 (Europe/Berlin)`. */
export function describeSchedule(schedule: Schedule, timeZone: string): string {
  const spread = schedule.spread === undefined ? '' : `, spread over ${schedule.spread}`;
  return `${withoutZone(schedule)} (${timeZone})${spread}`;
}

function withoutZone(schedule: Schedule): string {
  if ('preset' in schedule) {
    const counted = schedule.anchor === undefined ? '' : `, counted from ${schedule.anchor}`;
    return PRESET_WORDS[schedule.preset] + counted;
  }
  if ('custom' in schedule) return describeCustom(schedule.custom);
  if ('cron' in schedule) return `cron ${schedule.cron}`;
  return `once, on ${schedule.once.replace('T', ' at ')}`;
}

function describeCustom({ month, day, hour, minute }: CustomDate): string {
  const years = month === 2 && day === 29 ? 'every leap year' : 'every year';
  return `${years} on ${MONTHS[month - 1] ?? month} ${day} at ${twoDigits(hour)}:${twoDigits(minute)}`;
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0');
}
