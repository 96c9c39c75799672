import type { CustomDate, Preset, ScheduleEntry } from '../spec/types';
import { FORECAST } from './forecast-cutoff';
import { MONTHS } from '../shared/dates';

const PRESET_WORDS: Record<Preset, string> = {
  weekly: 'every Sunday at 00:00',
  'every-2-weeks': 'every second Sunday at 00:00',
  monthly: 'on the 1st of every month at 00:00',
  'every-2-months': 'on the 1st of January, March, May, July, September and November at 00:00',
};

/** A schedule as text, e.g. `every Sunday at 00:00 for 4h (Europe/Berlin)`. */
export function describeSchedule(schedule: readonly ScheduleEntry[], timeZone: string): string {
  return schedule.map((entry) => describeEntry(entry, timeZone)).join('; ');
}

/** The same of one entry. */
export function describeEntry(entry: ScheduleEntry, timeZone: string): string {
  const { duration, cutoff, spread } = entry;
  const how = [
    ...(cutoff === undefined || cutoff === FORECAST ? [] : [`no node is started in the last ${cutoff}`]),
    ...(spread === undefined ? [] : [`spread over ${spread}`]),
  ];
  const long = duration === undefined ? '' : ` for ${duration}`;
  return [`${withoutZone(entry)}${long} (${entry.timeZone ?? timeZone})`, ...how].join(', ');
}

function withoutZone(schedule: ScheduleEntry): string {
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
