/**
 * An independent calendar for tests: advances time step by step, reads the wall clock from Intl, and starts whenever the
 * clock reaches or skips a requested wall time for the first time.
 */
const HOUR_MS = 3_600_000;
// Fine enough for wall times at multiples of 5 min, and for zones with such an offset.
const STEP_MS = 5 * 60_000;
const LEAD_MS = 48 * HOUR_MS;

export type WantedWall = (wall: Date) => boolean;

/** The starts after `fromMs` up to `toMs` of several schedules, each given as a predicate on wall times. */
export function bruteForceStarts(timeZone: string, fromMs: number, toMs: number, wanted: WantedWall[]): number[][] {
  const starts: number[][] = wanted.map(() => []);
  let atHour = readClock(timeZone, fromMs - LEAD_MS);
  let shown = atHour;
  for (let hour = fromMs - LEAD_MS; hour < toMs; hour += HOUR_MS) {
    const atNextHour = readClock(timeZone, hour + HOUR_MS);
    const isEven = atNextHour - atHour === HOUR_MS;
    for (let step = STEP_MS; step <= HOUR_MS; step += STEP_MS) {
      const instant = hour + step;
      const wall = isEven ? atHour + step : readClock(timeZone, instant);
      if (instant > fromMs && instant <= toMs && wall > shown) {
        const passed: Date[] = [];
        for (let at = shown + STEP_MS; at <= wall; at += STEP_MS) passed.push(new Date(at));
        wanted.forEach((isWanted, index) => {
          if (passed.some(isWanted)) starts[index]?.push(instant);
        });
      }
      shown = Math.max(shown, wall);
    }
    atHour = atNextHour;
  }
  return starts;
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** The wall clock, encoded as if the zone were UTC. */
function readClock(timeZone: string, instant: number): number {
  let format = formats.get(timeZone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
    });
    formats.set(timeZone, format);
  }
  const [month = 1, day = 1, year = 0, hour = 0, minute = 0] = (format.format(instant).match(/\d+/g) ?? []).map(Number);
  return Date.UTC(year, month - 1, day, hour, minute);
}
