/**
 * Durations as users write them: `90s`, `30m`, `1h30m`, `2d`; whole numbers, largest unit first, always with a unit.
 */
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from './time-units';

const DURATION = /^(?=\d)(?:(\d{1,5})d)?(?:(\d{1,6})h)?(?:(\d{1,7})m)?(?:(\d{1,8})s)?$/;

/** The format of a duration, for error messages. */
export const DURATION_FORMAT = 'a duration with a unit, e.g. 90s, 30m, 1h30m or 2d';

/** The pattern of a duration, for schemas. */
export const DURATION_PATTERN = DURATION;

export function isDuration(text: string): boolean {
  return DURATION.test(text);
}

/**
 * Milliseconds of a duration such as `1h30m`.
 * @throws RangeError when the text is not a duration; call `isDuration` first for user input.
 */
export function parseDuration(text: string): number {
  const match = DURATION.exec(text);
  if (match === null) throw new RangeError(`found "${text}"; allowed: ${DURATION_FORMAT}`);
  const [, days = '0', hours = '0', minutes = '0', seconds = '0'] = match;
  return Number(days) * DAY_MS + Number(hours) * HOUR_MS + Number(minutes) * MINUTE_MS + Number(seconds) * SECOND_MS;
}

/** The shortest notation of a number of milliseconds, rounded down to seconds: `5400000` is `1h30m`, `0` is `0s`. */
export function formatDuration(ms: number): string {
  const parts: [string, number][] = [
    ['d', Math.floor(ms / DAY_MS)],
    ['h', Math.floor((ms % DAY_MS) / HOUR_MS)],
    ['m', Math.floor((ms % HOUR_MS) / MINUTE_MS)],
    ['s', Math.floor((ms % MINUTE_MS) / SECOND_MS)],
  ];
  const text = parts
    .filter(([, amount]) => amount > 0)
    .map(([unit, amount]) => `${amount}${unit}`)
    .join('');
  return text === '' ? '0s' : text;
}
