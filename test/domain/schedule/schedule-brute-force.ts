/**
 * An independent calendar for tests: walks through time minute by minute, reads the wall clock from Intl, and starts
 * whenever the clock reaches or jumps over a wanted wall time that it has not shown before.
 */
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

export type WantedWall = (wall: Date) => boolean;

export function bruteForceStarts(timeZone: string, fromMs: number, toMs: number, isWanted: WantedWall): number[] {
  const starts: number[] = [];
  let shown = readClock(timeZone, fromMs - 48 * HOUR_MS);
  for (let hour = fromMs - 48 * HOUR_MS; hour < toMs; hour += HOUR_MS) {
    const isEven = readClock(timeZone, hour + HOUR_MS) - readClock(timeZone, hour) === HOUR_MS;
    const atHour = readClock(timeZone, hour);
    for (let minute = MINUTE_MS; minute <= HOUR_MS; minute += MINUTE_MS) {
      const instant = hour + minute;
      const wall = isEven ? atHour + minute : readClock(timeZone, instant);
      let hit = false;
      for (let passed = shown + MINUTE_MS; passed <= wall; passed += MINUTE_MS) hit ||= isWanted(new Date(passed));
      if (hit && instant > fromMs && instant <= toMs) starts.push(instant);
      shown = Math.max(shown, wall);
    }
  }
  return starts;
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** What the clock shows, counted as if it showed UTC. */
function readClock(timeZone: string, instant: number): number {
  let format = formats.get(timeZone);
  if (format === undefined) {
    const numeric = 'numeric' as const;
    format = new Intl.DateTimeFormat('en-US', {
      timeZone,
      hourCycle: 'h23',
      year: numeric,
      month: numeric,
      day: numeric,
      hour: numeric,
      minute: numeric,
    });
    formats.set(timeZone, format);
  }
  const parts = Object.fromEntries(format.formatToParts(instant).map(({ type, value }) => [type, Number(value)]));
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0 } = parts;
  return Date.UTC(year, month - 1, day, hour, minute);
}
