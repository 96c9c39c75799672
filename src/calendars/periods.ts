/** The times of the events in an iCalendar file (RFC 5545). */
import { runInNewContext } from 'node:vm';
import type ICAL from 'ical.js';
import type { Period } from '../domain/schedule/blackouts';
import { instantOfWall } from '../domain/schedule/zone';
import { plainText } from '../domain/shared/text';
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from '../domain/shared/time-units';
import { isTimeZone } from '../domain/spec/time-checks';

type Library = typeof ICAL;
type Time = InstanceType<Library['Time']>;
type Event = InstanceType<Library['Event']>;

const MAX_EVENTS = 5_000;
const MAX_PERIODS = 5_000;

/** A rule without a date that matches is searched for ever. */
const MAX_TIME_MS = 3_000;

const MAX_TEXT = 100;

export interface CalendarRange {
  /** Zone of times that name none, and of days. */
  timeZone: string;
  /** Epoch milliseconds. */
  from: number;
  to: number;
}

/**
 * The periods of all events that overlap the range, in order. Each event counts, also one that is marked as free, as whole
 * days are in most programs; a cancelled event does not.
 *
 * @throws Error with a clause about the first thing that cannot be understood
 */
export async function periodsIn(text: string, range: CalendarRange): Promise<Period[]> {
  const { default: library } = await import('ical.js');
  // The only way to stop a computation in this thread.
  const compute = (): Period[] => new CalendarReader(library, range).read(text);
  try {
    return runInNewContext('compute()', { compute }, { timeout: MAX_TIME_MS }) as Period[];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error;
    throw new Error(`its events were not computed within ${MAX_TIME_MS / 1000} s; a rule may match no date`);
  }
}

class CalendarReader {
  private readonly periods: Period[] = [];

  constructor(
    private readonly library: Library,
    private readonly range: CalendarRange,
  ) {}

  read(text: string): Period[] {
    for (const event of this.eventsIn(text)) {
      try {
        this.addAll(event);
      } catch (error) {
        const what = plainText(event.summary ?? event.uid ?? '', MAX_TEXT);
        throw new Error(`event ${JSON.stringify(what)}: ${messageOf(error)}`);
      }
    }
    return this.periods.sort((one, other) => one.start - other.start);
  }

  /** A changed occurrence of a series belongs to the event of the series. */
  private eventsIn(text: string): Event[] {
    const { Component, Event } = this.library;
    const calendars = [parsed(this.library, text)].flat();
    const components = calendars
      .map((data) => new Component(data as ConstructorParameters<typeof Component>[0]))
      .flatMap((calendar) => {
        if (calendar.name !== 'vcalendar') throw new Error('it does not begin with BEGIN:VCALENDAR');
        return calendar.getAllSubcomponents('vevent');
      });
    if (components.length > MAX_EVENTS) throw new Error(`it has more than ${MAX_EVENTS} events`);
    const events = components.map((component) => new Event(component));
    const series = new Map(events.filter((event) => !event.isRecurrenceException()).map((event) => [event.uid, event]));
    return events.filter((event) => {
      const main = event.isRecurrenceException() ? series.get(event.uid) : undefined;
      if (main === undefined) return true;
      main.relateException(event);
      return false;
    });
  }

  private addAll(event: Event): void {
    if (!event.isRecurring()) return this.add(event, event.startDate);
    const occurrences = event.iterator();
    for (let next = nextOf(occurrences); next !== null; next = nextOf(occurrences)) {
      const { item, startDate } = event.getOccurrenceDetails(next);
      this.add(item, startDate);
      if (this.instantOf(next, zoneOf(event, 'dtstart')) > this.range.to) return;
    }
  }

  private add(event: Event, startDate: Time): void {
    if (event.component.getFirstPropertyValue('status')?.toString().toUpperCase() === 'CANCELLED') return;
    const start = this.instantOf(startDate, zoneOf(event, 'dtstart'));
    const end = this.endOf(event, startDate, start);
    if (end < start) throw new Error('it ends before it begins');
    // A moment is no time in which something is forbidden.
    if (end === start || end <= this.range.from || start >= this.range.to) return;
    if (this.periods.length === MAX_PERIODS) throw new Error(`there are more than ${MAX_PERIODS} blackouts in a year`);
    this.periods.push({ start, end, reason: plainText(event.summary ?? '', MAX_TEXT) || 'no summary' });
  }

  /** Days are days of the calendar, everything else is elapsed time. */
  private endOf(event: Event, startDate: Time, start: number): number {
    const zone = zoneOf(event, 'dtstart');
    const afterDays = (days: number): number =>
      days === 0 ? start : this.instantOfWall(wallOf(startDate) + days * DAY_MS, startDate, zone);
    const duration = event.component.getFirstPropertyValue('duration');
    if (duration instanceof this.library.Duration) {
      const { weeks, days, hours, minutes, seconds, isNegative } = duration;
      if (isNegative) throw new Error('its duration is negative');
      return afterDays(7 * weeks + days) + hours * HOUR_MS + minutes * MINUTE_MS + seconds * SECOND_MS;
    }
    if (event.component.getFirstProperty('dtend') === null) return startDate.isDate ? afterDays(1) : start;
    const [first, last] = [event.startDate, event.endDate];
    if (startDate.isDate) return afterDays((wallOf(last) - wallOf(first)) / DAY_MS);
    return start + this.instantOf(last, zoneOf(event, 'dtend')) - this.instantOf(first, zone);
  }

  private instantOf(time: Time, zone: string | null): number {
    return this.instantOfWall(wallOf(time), time, zone);
  }

  /** Zones are those of this machine where it knows them: what calendars say of them is often cut short. */
  private instantOfWall(wall: number, { isDate, zone: known }: Time, zone: string | null): number {
    const { Time, Timezone } = this.library;
    if (isDate) return instantOfWall(wall, this.range.timeZone);
    if (known === Timezone.utcTimezone) return wall;
    if (zone === null) return instantOfWall(wall, this.range.timeZone);
    if (isTimeZone(zone)) return instantOfWall(wall, zone);
    if (known === null || known === undefined || known === Timezone.localTimezone) {
      throw new Error(`the time zone ${JSON.stringify(plainText(zone, MAX_TEXT))} is neither known nor in the file`);
    }
    const date = new Date(wall);
    const fields = {
      ...{ year: date.getUTCFullYear(), month: date.getUTCMonth() + 1, day: date.getUTCDate() },
      ...{ hour: date.getUTCHours(), minute: date.getUTCMinutes(), second: date.getUTCSeconds(), isDate: false },
    };
    const time = new Time(fields, known);
    return time.toUnixTime() * SECOND_MS;
  }
}

/** The zone that a property names. Null: none, or UTC. */
function zoneOf(event: Event, property: 'dtstart' | 'dtend'): string | null {
  const zone = event.component.getFirstProperty(property)?.getParameter('tzid');
  return typeof zone === 'string' ? zone : null;
}

/** Milliseconds, counted as if the wall clock showed UTC. */
function wallOf({ year, month, day, hour, minute, second, isDate }: Time): number {
  const date = Date.UTC(year, month - 1, day);
  return isDate ? date : date + hour * HOUR_MS + minute * MINUTE_MS + second * SECOND_MS;
}

function nextOf(occurrences: ReturnType<Event['iterator']>): Time | null {
  return (occurrences.next() as Time | null | undefined) ?? null;
}

function parsed(library: Library, text: string): unknown[] {
  try {
    const data = library.parse(text) as unknown[];
    // Several calendars in one file.
    return Array.isArray(data[0]) ? (data as unknown[][]) : [data];
  } catch (error) {
    throw new Error(`it is not an iCalendar file: ${messageOf(error)}`);
  }
}

function messageOf(error: unknown): string {
  return plainText(error instanceof Error ? error.message : String(error), 2 * MAX_TEXT);
}

/** How far ahead events are read, in milliseconds. */
export const CALENDAR_AHEAD_MS = 400 * DAY_MS;
