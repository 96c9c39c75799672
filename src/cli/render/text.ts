/** Formatting shared by all output: safe text, times and durations. */
import { formatDuration } from '../../domain/shared/duration';
import { plainText } from '../../domain/shared/text';
import type { MaintenanceWindow } from '../../domain/schedule/window';
import { formatInstant } from '../../domain/schedule/zone';

/** Placeholder for a missing value. */
export const NONE = '-';

/** Longer than all texts that are kept of a node or a run. */
const MAX_TEXT = 1_500;

/** The weekday and the date of a start, with the blank after it. */
const DAY_CHARS = 'Sun 2026-11-29 '.length;

/**
 * One line for a table or sentence: no control characters, at most `max` characters, and moments in the user's time zone
 * except in commands.
 */
export function oneLine(value: string | null | undefined, max = MAX_TEXT): string {
  return value === null || value === undefined || value === '' ? NONE : inOwnZone(plainText(value, max));
}

/** The same as a cell that is cut after `max` characters on a terminal; in a pipe nothing is cut. */
export function cellText(
  value: string | null | undefined,
  max: number,
  { columns }: { columns?: number | undefined },
): string {
  return oneLine(value, columns === undefined ? MAX_TEXT : max);
}

const COMMAND_OR_INSTANT = /`[^`]*`|\b\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2})(?!\w)/g;

/** Workflows write moments in UTC, because time-zone data differs between releases. */
function inOwnZone(text: string): string {
  if (!/\dT\d/.test(text)) return text;
  const zone = ownZone();
  return text.replace(COMMAND_OR_INSTANT, (found) =>
    found.startsWith('`') ? found : `${formatTime(found, zone)} ${zone}`,
  );
}

/** The user's time zone: the variable TZ, else that of the machine. */
export function ownZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';
}

/** `2026-11-29 00:00:05` in `zone`; `-` for null and malformed values. */
export function formatTime(iso: string | null | undefined, zone: string): string {
  const instant = Date.parse(iso ?? '');
  return Number.isNaN(instant) ? NONE : formatInstant(wholeSeconds(instant), zone).iso.slice(0, 19).replace('T', ' ');
}

/** `Sun 2026-11-29 00:00` in `zone`. */
export function formatStart(iso: string, zone: string): string {
  const instant = Date.parse(iso);
  if (Number.isNaN(instant)) return NONE;
  const time = formatTime(iso, zone);
  // A start with spread has seconds.
  return `${formatInstant(instant, zone).weekday} ${time.endsWith(':00') ? time.slice(0, 16) : time}`;
}

/** `Sun 2026-11-29 00:00 to 04:00` in `zone`, with the date of the end on another day; without an end its start alone. */
export function formatWindow({ start, end }: Pick<MaintenanceWindow, 'start' | 'end'>, zone: string): string {
  const from = formatStart(start, zone);
  if (end === null) return from;
  const to = formatStart(end, zone);
  return `${from} to ${to.slice(0, DAY_CHARS) === from.slice(0, DAY_CHARS) ? to.slice(DAY_CHARS) : to}`;
}

/** `12:03:04` in `zone`. */
export function formatClock(ms: number, zone: string): string {
  return formatTime(new Date(ms).toISOString(), zone).slice(11);
}

/** Time from `startIso` to `endMs`, e.g. `1m5s`; never negative, because clocks of two machines differ. */
export function formatElapsed(startIso: string, endMs: number): string {
  const start = Date.parse(startIso);
  return Number.isNaN(start) ? NONE : formatTook(Math.max(0, endMs - start));
}

/** A duration in milliseconds to the nearest second: `1m5s`; below 10 s with tenths: `0.3s`. */
export function formatTook(ms: number): string {
  const tenths = Math.round(ms / 100);
  return tenths > 0 && tenths < 100 ? `${(tenths / 10).toFixed(1)}s` : formatDuration(wholeSeconds(ms + 500));
}

function wholeSeconds(ms: number): number {
  return Math.floor(ms / 1_000) * 1_000;
}
