/**
 * Start times of a schedule. Uses time-zone data, which changes with the Node.js version: never import this module into
 * a workflow; a local activity calls it and records the instants.
 */
import { parseDuration } from '../shared/duration';
import type { ScheduleEntry } from '../spec/types';
import { hash32 } from '../shared/hash';
import { DAY_MS } from '../shared/time-units';
import { instantOfWall, wallAt } from './zone';
import { wallTimes } from './local-times';

// A schedule without a start within this time has none.
const HORIZON_MS = 100 * 366 * DAY_MS;

/**
 * The next starts of a schedule: epoch milliseconds, strictly after `afterMs`, ascending, distinct. Fewer than `count`
 * only when there is no further start within 100 years.
 *
 * A wall time skipped by a clock change starts at the first instant after the gap; a wall time that occurs twice starts
 * once, at its first occurrence.
 * @throws RangeError for an unknown time zone or a schedule that validation rejects.
 */
export function nextStarts(entry: ScheduleEntry, timeZone: string, afterMs: number, count: number): number[] {
  const starts: number[] = [];
  if (count <= 0) return starts;
  for (const start of startsAfter(entry, timeZone, afterMs)) {
    starts.push(start);
    if (starts.length === count) break;
  }
  return starts;
}

/** The starts that {@link nextStarts} counts, one after the other. */
export function* startsAfter(entry: ScheduleEntry, timeZone: string, afterMs: number): Generator<number> {
  let last = afterMs;
  // A wall time at or before the current one cannot start later, so enumeration begins here; after an overlap some
  // later wall times have passed as well and are skipped.
  for (const wall of wallTimes(entry, wallAt(afterMs, timeZone))) {
    const start = instantOfWall(wall, timeZone);
    if (start - last > HORIZON_MS) return;
    if (start <= last) continue;
    yield start;
    last = start;
  }
}

/** Delay of `cluster` relative to its schedule, in milliseconds: whole seconds, less than `schedule.spread`. */
export function spreadMs(cluster: string, { spread }: Pick<ScheduleEntry, 'spread'>): number {
  if (spread === undefined) return 0;
  return Math.floor((shareOf(cluster) * parseDuration(spread)) / 1_000) * 1_000;
}

/** From 0 to 1, constant per name, and evenly distributed even over similar names. */
function shareOf(name: string): number {
  let hash = hash32(name);
  // Until here, names that differ only in the last character differ only in the lowest bits.
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}
