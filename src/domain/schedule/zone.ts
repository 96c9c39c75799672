import { weekdayOf } from '../shared/dates';
import type { LocalMs } from '../shared/dates';
import { HOUR_MS, MINUTE_MS } from '../shared/time-units';

// No zone has ever been further from UTC than this, so this range covers all offsets around a wall time.
const FURTHEST_EAST_MS = 16 * HOUR_MS;
const FURTHEST_WEST_MS = 16 * HOUR_MS;

/** The wall-clock time of the zone at an instant. */
export function wallAt(instantMs: number, timeZone: string): LocalMs {
  return instantMs + offsetMs(zoneOf(timeZone), instantMs);
}

/** An instant as wall-clock time; `iso` is ISO 8601 with the zone's offset, e.g. `2026-11-29T00:00:00+01:00`. */
export function formatInstant(instantMs: number, timeZone: string): { weekday: string; iso: string } {
  // ISO 8601 has no seconds in an offset (Liberia had them until 1972), so they are added to the time.
  const offset = Math.trunc((wallAt(instantMs, timeZone) - instantMs) / MINUTE_MS);
  const local = new Date(instantMs + offset * MINUTE_MS);
  const [hours, minutes] = [Math.floor(Math.abs(offset) / 60), Math.abs(offset) % 60];
  const sign = offset < 0 ? '-' : '+';
  const suffix = `${sign}${String(hours).padStart(2, '0')}:${String(minutes).padStart(2, '0')}`;
  const time = local
    .toISOString()
    .replace(/\.000Z$/, '')
    .replace(/Z$/, '');
  return { weekday: weekdayOf(local.getTime()).slice(0, 3), iso: time + suffix };
}

/**
 * The first instant at which the wall clock of the zone shows `wall` or later. A time in a spring gap maps to the first
 * instant after the gap, a time in an autumn overlap to its first occurrence.
 */
export function instantOfWall(wall: LocalMs, timeZone: string): number {
  const zone = zoneOf(timeZone);
  const from = wall - FURTHEST_EAST_MS;
  const to = wall + FURTHEST_WEST_MS;
  const before = offsetMs(zone, from);
  const after = offsetMs(zone, to);
  if (before === after) return wall - before;
  const change = findChange(zone, from, to, before);
  return wall - before < change ? wall - before : Math.max(change, wall - after);
}

/** Cached, because creating a formatter takes some hundred microseconds. */
const zones = new Map<string, Intl.DateTimeFormat>();

/** The cached formatter of the zone. @throws RangeError for an unknown zone. */
function zoneOf(timeZone: string): Intl.DateTimeFormat {
  const known = zones.get(timeZone);
  if (known !== undefined) return known;
  try {
    const numeric = 'numeric';
    const date = { era: 'short', year: numeric, month: numeric, day: numeric } as const;
    const time = { hour: numeric, minute: numeric, second: numeric, hourCycle: 'h23' } as const;
    const zone = new Intl.DateTimeFormat('en-US', { ...date, ...time, calendar: 'gregory', timeZone });
    zones.set(timeZone, zone);
    return zone;
  } catch {
    throw new RangeError(`unknown time zone ${JSON.stringify(timeZone)}`);
  }
}

/** Offset of the zone from UTC at an instant; whole minutes wherever the zone has whole minutes. */
function offsetMs(zone: Intl.DateTimeFormat, instantMs: number): number {
  const shown = Object.fromEntries(zone.formatToParts(instantMs).map(({ type, value }) => [type, value]));
  const year = shown['era'] === 'AD' ? Number(shown['year']) : 1 - Number(shown['year']);
  const [month, day] = [Number(shown['month']) - 1, Number(shown['day'])];
  const local = Date.UTC(year, month, day, Number(shown['hour']), Number(shown['minute']), Number(shown['second']));
  return local - Math.floor(instantMs / 1_000) * 1_000;
}

/** The first instant with an offset other than `before`; changes always fall on a whole second. */
function findChange(zone: Intl.DateTimeFormat, from: number, to: number, before: number): number {
  let low = Math.floor(from / 1_000);
  let high = Math.ceil(to / 1_000);
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (offsetMs(zone, middle * 1_000) === before) low = middle;
    else high = middle;
  }
  return high * 1_000;
}
