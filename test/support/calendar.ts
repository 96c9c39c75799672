/**
 * An independent calendar for comparison with that of ospatch: its only source is the wall clock, and every start is found
 * by checking each minute.
 */
export interface Wall {
  year: number;
  month: number;
  day: number;
  hour: number;
  minute: number;
  /** 0 = Sunday. */
  weekday: number;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const WEEKDAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];

/** The wall clock in `zone` at `instant`. */
function wallClock(zone: string): (instant: number) => Wall {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    weekday: 'short',
  });
  return (instant) => {
    const parts = Object.fromEntries(format.formatToParts(instant).map((part) => [part.type, part.value]));
    const number = (name: string): number => Number(parts[name]);
    return {
      year: number('year'),
      month: number('month'),
      day: number('day'),
      hour: number('hour'),
      minute: number('minute'),
      weekday: WEEKDAYS.indexOf(parts['weekday'] ?? ''),
    };
  };
}

/**
 * The first instants, strictly after `after` and before `end`, of each local day that `wanted` accepts at which the wall
 * clock shows `hour:minute` or, where that time is skipped, something later.
 */
export function startsBetween(
  zone: string,
  after: number,
  end: number,
  wanted: (wall: Wall) => boolean,
  hour = 0,
  minute = 0,
): number[] {
  const clock = wallClock(zone);
  const starts: number[] = [];
  let taken = '';
  for (let at = Math.floor(after / HOUR_MS) * HOUR_MS - 48 * HOUR_MS; at < end; at += HOUR_MS) {
    const day = clock(at);
    const key = `${day.year}-${day.month}-${day.day}`;
    // Hours are fine enough to find the day; within the day every minute is checked.
    if (!wanted(day) || key === taken) continue;
    for (let moment = at; moment < at + 27 * HOUR_MS; moment += MINUTE_MS) {
      const wall = clock(moment);
      if (`${wall.year}-${wall.month}-${wall.day}` !== key) break;
      if (wall.hour * 60 + wall.minute < hour * 60 + minute) continue;
      taken = key;
      if (moment > after && moment < end) starts.push(moment);
      break;
    }
  }
  return starts;
}

/** Days since 1970-01-01 of a local date, to count weeks with. */
export function dayNumber(wall: Pick<Wall, 'year' | 'month' | 'day'>): number {
  return Date.UTC(wall.year, wall.month - 1, wall.day) / (24 * HOUR_MS);
}
