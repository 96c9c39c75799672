/**
 * When a schedule starts. Uses time-zone data, which changes with the version of Node: never import this module into
 * a workflow; a local activity calls it and records the instants.
 */
import { parseDuration } from '../shared/duration';
import type { Schedule } from '../spec/types';
import { hash32 } from '../shared/hash';
import { DAY_MS } from '../shared/time-units';
import { instantOfWall, wallAt } from './zone';
import { wallTimes } from './local-times';

export { describeSchedule } from './describe';
export { instantOfWall, wallAt } from './zone';

// A schedule with no start for this long has none any more.
const HORIZON_MS = 100 * 366 * DAY_MS;

/**
 * The next starts of a schedule: epoch milliseconds, strictly after `afterMs`, ascending, distinct. Fewer than `count`
 * only when no further start comes within 100 years.
 *
 * A wall time that a clock change skips starts at the first instant after the gap; one that occurs twice starts once,
 * the first time.
 * @throws RangeError for an unknown time zone or a schedule that validation would have refused.
 */
export function nextStarts(schedule: Schedule, timeZone: string, afterMs: number, count: number): number[] {
  const starts: number[] = [];
  let last = afterMs;
  if (count <= 0) return starts;
  // A wall time that the clocks show or have shown by now cannot start later, so nothing before it needs a look; after an
  // overlap some later ones have started too, and those are passed over.
  for (const wall of wallTimes(schedule, wallAt(afterMs, timeZone))) {
    const start = instantOfWall(wall, timeZone);
    if (start - last > HORIZON_MS) break;
    if (start <= last) continue;
    starts.push(start);
    last = start;
    if (starts.length === count) break;
  }
  return starts;
}

/**
 * The next starts of `cluster`: those of its schedule, each later by the cluster's share of `schedule.spread`. As
 * {@link nextStarts} otherwise.
 */
export function nextWindows(
  cluster: string,
  schedule: Schedule,
  timeZone: string,
  afterMs: number,
  count: number,
): number[] {
  const later = spreadMs(cluster, schedule);
  return nextStarts(schedule, timeZone, afterMs - later, count).map((start) => start + later);
}

/** How much later than its schedule says `cluster` starts, in milliseconds: whole seconds, less than `schedule.spread`. */
export function spreadMs(cluster: string, { spread }: Pick<Schedule, 'spread'>): number {
  if (spread === undefined) return 0;
  return Math.floor((shareOf(cluster) * parseDuration(spread)) / 1_000) * 1_000;
}

/** From 0 to 1, the same for a name for ever, and evenly spread over names that differ in little. */
function shareOf(name: string): number {
  let hash = hash32(name);
  // Names that differ in their last character alone have spread over the lowest bits only by now.
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}
