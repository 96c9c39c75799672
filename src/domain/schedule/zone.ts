import { IANAZone } from 'luxon';
import type { LocalMs } from '../shared/dates';

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

// No zone has ever been further from UTC than this, so the offsets around a wall time are all seen between the two.
const FURTHEST_EAST_MS = 16 * HOUR_MS;
const FURTHEST_WEST_MS = 16 * HOUR_MS;

/** What the wall clocks of the zone show at an instant. */
export function wallAt(instantMs: number, timeZone: string): LocalMs {
  return instantMs + offsetMs(zoneOf(timeZone), instantMs);
}

/**
 * The first instant at which the wall clocks of the zone show `wall` or later. So a time in a spring gap is the first
 * instant after the gap, and a time that an autumn overlap shows twice is the first of the two.
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

/** The zone, from luxon's own cache. @throws RangeError when there is no such zone. */
function zoneOf(timeZone: string): IANAZone {
  const zone = IANAZone.create(timeZone);
  if (!zone.isValid) throw new RangeError(`unknown time zone ${JSON.stringify(timeZone)}`);
  return zone;
}

function offsetMs(zone: IANAZone, instantMs: number): number {
  return Math.round(zone.offset(instantMs) * MINUTE_MS);
}

/** The first instant with another offset than `before`; changes always fall on a whole second. */
function findChange(zone: IANAZone, from: number, to: number, before: number): number {
  let low = Math.floor(from / 1_000);
  let high = Math.ceil(to / 1_000);
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (offsetMs(zone, middle * 1_000) === before) low = middle;
    else high = middle;
  }
  return high * 1_000;
}
