/** What every table and line shares: text that is safe to print, times and durations for people. */
import { formatDuration } from '../../domain/shared/duration';
import { plainText } from '../../domain/shared/text';
import { formatInstant } from '../../domain/schedule/zone';

/** Stands for a value that there is not. */
export const NONE = '-';

const MAX_CELL = 300;

/** One line for a table or a sentence: no control characters, at most `max` characters. */
export function oneLine(value: string | null | undefined, max = MAX_CELL): string {
  return value === null || value === undefined || value === '' ? NONE : plainText(value, max);
}

/** The zone of the person who reads: the variable TZ, else that of the machine. */
export function ownZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';
}

/** `2026-11-29 00:00:05` on the wall clock of `zone`; `-` for null and for what is no time. */
export function formatTime(iso: string | null | undefined, zone: string): string {
  const instant = Date.parse(iso ?? '');
  return Number.isNaN(instant) ? NONE : formatInstant(wholeSeconds(instant), zone).iso.slice(0, 19).replace('T', ' ');
}

/** `Sun 2026-11-29 00:00` on the wall clock of `zone`. */
export function formatStart(iso: string, zone: string): string {
  const instant = Date.parse(iso);
  if (Number.isNaN(instant)) return NONE;
  const time = formatTime(iso, zone);
  // The seconds of a start that is spread.
  return `${formatInstant(instant, zone).weekday} ${time.endsWith(':00') ? time.slice(0, 16) : time}`;
}

/** `12:03:04` on the wall clock of `zone`. */
export function formatClock(ms: number, zone: string): string {
  return formatTime(new Date(ms).toISOString(), zone).slice(11);
}

/** How long from `startIso` to `endMs`, e.g. `1m5s`; never negative, since clocks of two machines differ. */
export function formatElapsed(startIso: string, endMs: number): string {
  const start = Date.parse(startIso);
  return Number.isNaN(start) ? NONE : formatTook(Math.max(0, endMs - start));
}

/** Milliseconds that something took, to the nearest second: `1m5s`; below 10 s, where tenths count, `0.3s`. */
export function formatTook(ms: number): string {
  const tenths = Math.round(ms / 100);
  return tenths > 0 && tenths < 100 ? `${(tenths / 10).toFixed(1)}s` : formatDuration(wholeSeconds(ms + 500));
}

/** `1 node`, `3 nodes`. */
export function plural(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`;
}

function wholeSeconds(ms: number): number {
  return Math.floor(ms / 1_000) * 1_000;
}
