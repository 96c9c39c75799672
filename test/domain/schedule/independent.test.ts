/** Windows and blackouts against another implementation of recurrence rules (RFC 5545), and of time zones. */
import * as fc from 'fast-check';
import { RRule } from 'rrule';
import { calendarAhead } from '../../../src/domain/schedule/ahead';
import type { Blackout, ScheduleEntry } from '../../../src/domain/spec/types';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const YEARS_3 = 3 * 365 * DAY;

const ZONES = [
  ...['UTC', 'Europe/Berlin', 'America/New_York', 'America/Sao_Paulo', 'Asia/Kolkata', 'Asia/Tokyo'],
  // Half an hour of summer time; midnight that does not exist; the far east.
  ...['Australia/Lord_Howe', 'Africa/Cairo', 'Pacific/Auckland', 'Pacific/Apia'],
];

interface Rule {
  cron: string;
  rule: ConstructorParameters<typeof RRule>[0];
}

const WEEKDAYS = [RRule.SU, RRule.MO, RRule.TU, RRule.WE, RRule.TH, RRule.FR, RRule.SA];

const rules: fc.Arbitrary<Rule> = fc
  .record({
    kind: fc.constantFrom('daily', 'weekly', 'monthly', 'nth'),
    ...{ hour: fc.integer({ min: 0, max: 23 }), minute: fc.constantFrom(0, 15, 30, 59) },
    ...{ day: fc.integer({ min: 1, max: 31 }), weekday: fc.integer({ min: 0, max: 6 }) },
    nth: fc.integer({ min: 1, max: 4 }),
  })
  .map(({ kind, hour, minute, day, weekday, nth }): Rule => {
    const time = { byhour: [hour], byminute: [minute], bysecond: [0] };
    const clock = `${minute} ${hour}`;
    const weekdayOf = WEEKDAYS[weekday] ?? RRule.SU;
    switch (kind) {
      case 'daily':
        return { cron: `${clock} * * *`, rule: { ...time, freq: RRule.DAILY } };
      case 'weekly':
        return { cron: `${clock} * * ${weekday}`, rule: { ...time, freq: RRule.WEEKLY, byweekday: [weekdayOf] } };
      case 'monthly':
        return { cron: `${clock} ${day} * *`, rule: { ...time, freq: RRule.MONTHLY, bymonthday: [day] } };
      default:
        return {
          cron: `${clock} * * ${weekday}#${nth}`,
          rule: { ...time, freq: RRule.MONTHLY, byweekday: [weekdayOf.nth(nth)] },
        };
    }
  });

const entries = fc.record({
  rule: rules,
  hours: fc.integer({ min: 1, max: 60 }),
  zone: fc.constantFrom(...ZONES),
});

interface Interval {
  start: number;
  end: number;
}

const offsets = new Map<string, Intl.DateTimeFormat>();

/** Read from text such as `GMT+10:30`. */
function offsetOf(zone: string, instant: number): number {
  const format = offsets.get(zone) ?? new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' });
  offsets.set(zone, format);
  const name = format.formatToParts(instant).find(({ type }) => type === 'timeZoneName')?.value ?? '';
  const [, sign = '+', hours = '0', minutes = '0'] = /GMT([+-])(\d+):(\d+)/.exec(name) ?? [];
  return (sign === '-' ? -1 : 1) * (Number(hours) * HOUR + Number(minutes) * MINUTE);
}

const known = new Map<string, number>();

function instantOf(wall: number, zone: string): number {
  const key = `${zone} ${wall}`;
  const instant = known.get(key) ?? searched(wall, zone);
  known.set(key, instant);
  return instant;
}

/** The first instant at which the clock shows `wall`, or more where a clock change skips it: tried minute by minute. */
function searched(wall: number, zone: string): number {
  const [early, late] = [offsetOf(zone, wall - 26 * HOUR), offsetOf(zone, wall + 26 * HOUR)];
  if (early === late) return wall - early;
  for (let at = wall - Math.max(early, late) - HOUR; ; at += MINUTE) if (at + offsetOf(zone, at) >= wall) return at;
}

function startsOf({ rule }: Rule, zone: string, from: number, to: number): number[] {
  const all = new RRule({ ...rule, dtstart: new Date(from - 2 * DAY) }).between(
    new Date(from - 2 * DAY),
    new Date(to + 2 * DAY),
  );
  return all.map((date) => instantOf(date.getTime(), zone));
}

function union(intervals: readonly Interval[]): Interval[] {
  const joined: Interval[] = [];
  for (const one of [...intervals].sort((a, b) => a.start - b.start)) {
    const last = joined.at(-1);
    if (last !== undefined && one.start <= last.end) last.end = Math.max(last.end, one.end);
    else joined.push({ ...one });
  }
  return joined;
}

function minus(intervals: readonly Interval[], cut: readonly Interval[]): Interval[] {
  return cut.reduce<Interval[]>(
    (left, { start, end }) =>
      left.flatMap((one) =>
        end <= one.start || start >= one.end
          ? [one]
          : [
              ...(start > one.start ? [{ start: one.start, end: start }] : []),
              ...(end < one.end ? [{ start: end, end: one.end }] : []),
            ],
      ),
    [...intervals],
  );
}

/** As a cluster asks: a few windows at a time, after those that it has dealt with. */
function windowsOf(schedule: ScheduleEntry[], blackouts: Blackout[], from: number, to: number): Interval[] {
  const calendar = { cluster: 'demo', schedule, timeZone: 'UTC', blackouts };
  const found: Interval[] = [];
  for (let afterMs = from; ;) {
    const { windows, removed } = calendarAhead(calendar, { sinceMs: from, afterMs, nowMs: afterMs, count: 25 });
    for (const { start, end } of windows) {
      if (Date.parse(start) >= to) return found;
      expect(Date.parse(start)).toBeGreaterThan(afterMs);
      found.push({ start: Date.parse(start), end: Date.parse(end ?? '') });
      afterMs = Date.parse(start);
    }
    if (windows.length > 0) continue;
    // Blackouts may take away more windows in a row than are searched at once.
    const last = removed.at(-1);
    if (last === undefined || afterMs >= to) return found;
    afterMs = Date.parse(last.start);
  }
}

function daily(hour: number, zone: string): { rule: Rule; hours: number; zone: string } {
  const rule = { freq: RRule.DAILY, byhour: [hour], byminute: [0], bysecond: [0] };
  return { rule: { cron: `0 ${hour} * * *`, rule }, hours: 1, zone };
}

/** From October to April both clocks show these hours at the same time: every window is taken away. */
const HALF_A_YEAR_FORBIDDEN = [[daily(0, 'Africa/Cairo')], [daily(11, 'Pacific/Auckland')], new Date('2024-01-01')] as [
  ReturnType<typeof daily>[],
  ReturnType<typeof daily>[],
  Date,
];

describe('src/domain/schedule/ahead against another implementation', () => {
  it('opens windows at the same times for three years, in ten zones, over every clock change', () => {
    fc.assert(
      fc.property(
        fc.array(entries, { minLength: 1, maxLength: 3 }),
        fc.array(entries, { maxLength: 2 }),
        fc.date({ min: new Date('2024-01-01'), max: new Date('2028-01-01'), noInvalidDate: true }),
        (scheduled, forbidden, begin) => {
          const from = Math.floor(begin.getTime() / MINUTE) * MINUTE;
          const to = from + YEARS_3;
          const schedule = scheduled.map(({ rule, hours, zone }): ScheduleEntry => ({
            ...{ cron: rule.cron, startWithin: `${hours}h`, duration: `${hours}h`, cutoff: 'forecast' },
            timeZone: zone,
          }));
          const blackouts = forbidden.map(({ rule, hours, zone }): Blackout => ({
            ...{ cron: rule.cron, duration: `${hours}h`, reason: 'x', timeZone: zone },
          }));
          const intervalsOf = (all: typeof scheduled, since: number): Interval[] =>
            all.flatMap(({ rule, hours, zone }) =>
              startsOf(rule, zone, since, to + 8 * DAY).map((start) => ({ start, end: start + hours * HOUR })),
            );
          const open = intervalsOf(scheduled, from).filter(({ start }) => start > from);
          const wanted = union(minus(union(open), union(intervalsOf(forbidden, from - 5 * DAY))));
          // Of the last days, not every window has begun within the three years.
          const last = to - 8 * DAY;
          const until = (all: Interval[]): string[] =>
            all
              .filter(({ end }) => end < last)
              .map(({ start, end }) => `${new Date(start).toISOString()} ${end - start}`);
          const found = until(union(windowsOf(schedule, blackouts, from, to)));
          expect(found).toEqual(until(wanted));
        },
      ),
      { numRuns: 8, examples: [HALF_A_YEAR_FORBIDDEN], interruptAfterTimeLimit: 60_000 },
    );
  }, 120_000);
});
