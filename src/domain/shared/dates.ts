/** Calendar dates on the wall clock, without a zone. */
export const WEEKDAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'] as const;

export const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
] as const;

/** A wall-clock time as milliseconds, counted as if the wall clock showed UTC. */
export type LocalMs = number;

const DATE = /^(\d{4})-(\d{2})-(\d{2})$/;
const DATE_TIME = /^(\d{4}-\d{2}-\d{2})[T ](\d{2}):(\d{2})(?::(\d{2}))?$/;

/** Most days the month (1 to 12) can have; 29 for February. */
export function longestMonth(month: number): number {
  return new Date(Date.UTC(2024, month, 0)).getUTCDate();
}

export function daysInMonth(year: number, month: number): number {
  return new Date(Date.UTC(year, month, 0)).getUTCDate();
}

/** Midnight of a `YYYY-MM-DD`; null when it is malformed or no such day exists. */
export function parseDate(text: string): LocalMs | null {
  const match = DATE.exec(text);
  if (match === null) return null;
  const [year, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])];
  if (year < 1970 || month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) return null;
  return Date.UTC(year, month - 1, day);
}

/** A `YYYY-MM-DDTHH:MM[:SS]` without offset; null when it is malformed or does not exist in the calendar. */
export function parseDateTime(text: string): LocalMs | null {
  const match = DATE_TIME.exec(text);
  if (match === null) return null;
  const date = parseDate(match[1] ?? '');
  const [hour, minute, second] = [Number(match[2]), Number(match[3]), Number(match[4] ?? 0)];
  if (date === null || hour > 23 || minute > 59 || second > 59) return null;
  return date + ((hour * 60 + minute) * 60 + second) * 1_000;
}

export function weekdayOf(wall: LocalMs): (typeof WEEKDAYS)[number] {
  return WEEKDAYS[new Date(wall).getUTCDay()] ?? 'Sunday';
}

/** `YYYY-MM-DD` of a wall time. */
export function formatDate(wall: LocalMs): string {
  return new Date(wall).toISOString().slice(0, 10);
}

/** `2027-01-31T18:00:00Z` for epoch milliseconds: ISO 8601 in UTC, the second that has begun. */
export function isoSecond(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
