import { nextStarts, spreadMs } from '../../../src/domain/schedule/next-starts';
import { describeSchedule } from '../../../src/domain/schedule/describe';
import type { ScheduleEntry } from '../../../src/domain/spec/types';
import { bruteForceStarts } from './brute-force';
import type { WantedWall } from './brute-force';

const PROD_EU_MS = 1_039_000;
const startWithin = '1h';
const weekly: ScheduleEntry = { preset: 'weekly', startWithin };
const iso = (ms: number) => new Date(ms).toISOString().replace('.000Z', 'Z');
const starts = (schedule: ScheduleEntry, zone: string, after: string, count = 1) =>
  nextStarts(schedule, zone, Date.parse(after), count).map(iso);
const custom = (month: number, day: number, hour: number, minute: number): ScheduleEntry => ({
  custom: { month, day, hour, minute },
  startWithin,
});

describe('src/domain/schedule/next-starts', () => {
  describe('presets', () => {
    it.each<[ScheduleEntry, string, string[]]>([
      [weekly, '2026-11-23T00:00:00Z', ['2026-11-28T23:00:00Z', '2026-12-05T23:00:00Z', '2026-12-12T23:00:00Z']],
      [
        { preset: 'every-2-weeks', startWithin },
        '2024-01-01T00:00:00Z',
        ['2024-01-06T23:00:00Z', '2024-01-20T23:00:00Z', '2024-02-03T23:00:00Z'],
      ],
      [
        { preset: 'monthly', startWithin },
        '2026-11-23T00:00:00Z',
        ['2026-11-30T23:00:00Z', '2026-12-31T23:00:00Z', '2027-01-31T23:00:00Z'],
      ],
      [
        { preset: 'every-2-months', startWithin },
        '2026-11-23T00:00:00Z',
        ['2026-12-31T23:00:00Z', '2027-02-28T23:00:00Z', '2027-04-30T22:00:00Z'],
      ],
    ])('%j after %s starts at local midnight', (schedule, after, expected) => {
      expect(starts(schedule, 'Europe/Berlin', after, 3)).toEqual(expected);
    });

    it.each([
      ['2026-12-15T00:00:00Z', '2027-01-01T00:00:00Z'],
      ['2027-02-10T00:00:00Z', '2027-03-01T00:00:00Z'],
      ['2027-10-01T00:00:00Z', '2027-11-01T00:00:00Z'],
    ])('starts every-2-months in the odd months, also from a date in an even month (%s)', (after, expected) => {
      expect(starts({ preset: 'every-2-months', startWithin }, 'UTC', after)).toEqual([expected]);
    });

    it('counts every second Sunday without an anchor from 2024-01-07, also backwards', () => {
      const [first = ''] = starts({ preset: 'every-2-weeks', startWithin }, 'UTC', '1975-06-01T00:00:00Z');
      const weeks = (Date.parse('2024-01-07') - Date.parse(first)) / (7 * 86_400_000);
      expect([new Date(first).getUTCDay(), weeks % 2]).toEqual([0, 0]);
    });

    it('never starts every-2-weeks before a given anchor', () => {
      const schedule: ScheduleEntry = { preset: 'every-2-weeks', anchor: '2026-11-29', startWithin };
      expect(starts(schedule, 'UTC', '2026-01-01T00:00:00Z', 2)).toEqual([
        '2026-11-29T00:00:00Z',
        '2026-12-13T00:00:00Z',
      ]);
      expect(starts(schedule, 'UTC', '2026-11-29T00:00:00Z')).toEqual(['2026-12-13T00:00:00Z']);
    });
  });

  describe('strictly after', () => {
    it('excludes a start at exactly the given instant and includes one a millisecond later', () => {
      expect(starts(weekly, 'UTC', '2026-11-29T00:00:00.000Z')).toEqual(['2026-12-06T00:00:00Z']);
      expect(starts(weekly, 'UTC', '2026-11-28T23:59:59.999Z')).toEqual(['2026-11-29T00:00:00Z']);
    });

    it('does not start twice for a wall time that repeats after the given instant', () => {
      // Both are 02:10 in Berlin, the second one after the end of summer time.
      const daily: ScheduleEntry = { cron: '30 2 25 10 *', startWithin };
      expect(starts(daily, 'Europe/Berlin', '2026-10-25T00:10:00Z')).toEqual(['2026-10-25T00:30:00Z']);
      expect(starts(daily, 'Europe/Berlin', '2026-10-25T01:10:00Z')).toEqual(['2027-10-25T00:30:00Z']);
    });
  });

  describe('clock changes', () => {
    it.each<[string, string, ScheduleEntry, string, string]>([
      ['Europe/Berlin', 'gap in the night', custom(3, 28, 2, 30), '2027-01-01T00:00:00Z', '2027-03-28T01:00:00Z'],
      ['Europe/Berlin', 'overlap in the night', custom(10, 25, 2, 30), '2026-01-01T00:00:00Z', '2026-10-25T00:30:00Z'],
      ['America/Santiago', 'gap at midnight', weekly, '2024-09-02T00:00:00Z', '2024-09-08T04:00:00Z'],
      ['Asia/Beirut', 'gap at midnight', weekly, '2024-03-25T00:00:00Z', '2024-03-30T22:00:00Z'],
      ['America/Havana', 'gap at midnight', weekly, '2024-03-04T06:00:00Z', '2024-03-10T05:00:00Z'],
      ['America/Havana', 'midnight twice', weekly, '2024-10-28T06:00:00Z', '2024-11-03T04:00:00Z'],
      ['America/Sao_Paulo', 'gap at midnight', weekly, '2018-10-29T00:00:00Z', '2018-11-04T03:00:00Z'],
      ['Africa/Cairo', 'gap at midnight', custom(4, 26, 0, 0), '2024-01-01T00:00:00Z', '2024-04-25T22:00:00Z'],
      [
        'Australia/Lord_Howe',
        'gap of 30 minutes',
        custom(10, 6, 2, 15),
        '2024-01-01T00:00:00Z',
        '2024-10-05T15:30:00Z',
      ],
      [
        'Australia/Lord_Howe',
        'overlap of 30 minutes',
        custom(4, 7, 1, 45),
        '2024-01-01T00:00:00Z',
        '2024-04-06T14:45:00Z',
      ],
      ['Pacific/Apia', 'skipped day', custom(12, 30, 12, 0), '2011-01-01T00:00:00Z', '2011-12-30T10:00:00Z'],
    ])('%s: %s', (zone, _what, schedule, after, expected) => {
      expect(starts(schedule, zone, after)).toEqual([expected]);
    });

    it('starts once when several wall times fall into one gap', () => {
      const schedule: ScheduleEntry = { cron: '0,20,40 2,3 28 3 *', startWithin };
      expect(starts(schedule, 'Europe/Berlin', '2027-03-27T12:00:00Z', 4)).toEqual([
        '2027-03-28T01:00:00Z',
        '2027-03-28T01:20:00Z',
        '2027-03-28T01:40:00Z',
        '2028-03-28T00:00:00Z',
      ]);
    });
  });

  describe('custom', () => {
    it('takes February 29 in leap years only, and not in 2100', () => {
      expect(starts(custom(2, 29, 1, 5), 'UTC', '2095-01-01T00:00:00Z', 3)).toEqual([
        '2096-02-29T01:05:00Z',
        '2104-02-29T01:05:00Z',
        '2108-02-29T01:05:00Z',
      ]);
    });
  });

  describe('once', () => {
    it('starts at its time, and never again', () => {
      const schedule: ScheduleEntry = { once: '2027-03-01T02:30', startWithin };
      expect(starts(schedule, 'Europe/Berlin', '2026-01-01T00:00:00Z', 5)).toEqual(['2027-03-01T01:30:00Z']);
      expect(starts(schedule, 'Europe/Berlin', '2027-03-01T01:30:00Z', 5)).toEqual([]);
    });
  });

  describe('cron', () => {
    it.each([
      ['30 2 * * SUN#2', ['2026-12-13T02:30:00Z', '2027-01-10T02:30:00Z']],
      ['0 0 L * *', ['2026-11-30T00:00:00Z', '2026-12-31T00:00:00Z']],
      ['0 3 * * SUNL', ['2026-11-29T03:00:00Z', '2026-12-27T03:00:00Z']],
      ['0 0 13 * FRI', ['2026-11-27T00:00:00Z', '2026-12-04T00:00:00Z']],
    ])('%s', (cron, expected) => {
      expect(starts({ cron, startWithin }, 'UTC', '2026-11-23T00:00:00Z', 2)).toEqual(expected);
    });
  });

  describe('against a calendar that walks through time step by step', () => {
    const zones = [
      'UTC',
      'Europe/Berlin',
      'America/New_York',
      'America/Santiago',
      'America/Havana',
      'Africa/Cairo',
      'Africa/Casablanca',
      'Asia/Beirut',
      'Asia/Kolkata',
      'Australia/Lord_Howe',
      'Pacific/Apia',
      'Pacific/Chatham',
    ];
    const midnight = (wall: Date) => wall.getUTCHours() === 0 && wall.getUTCMinutes() === 0;
    const schedules: [ScheduleEntry, WantedWall][] = [
      [weekly, (wall) => midnight(wall) && wall.getUTCDay() === 0],
      [
        { preset: 'every-2-weeks', startWithin },
        (wall) => midnight(wall) && ((wall.getTime() - Date.UTC(2024, 0, 7)) / 86_400_000) % 14 === 0,
      ],
      [{ preset: 'monthly', startWithin }, (wall) => midnight(wall) && wall.getUTCDate() === 1],
      [
        { preset: 'every-2-months', startWithin },
        (wall) => midnight(wall) && wall.getUTCDate() === 1 && wall.getUTCMonth() % 2 === 0,
      ],
      [{ cron: '15 0-3 * * *', startWithin }, (wall) => wall.getUTCMinutes() === 15 && wall.getUTCHours() <= 3],
      [
        { cron: '*/20 1,2 * * FRI,SUN', startWithin },
        (wall) =>
          wall.getUTCMinutes() % 20 === 0 && [1, 2].includes(wall.getUTCHours()) && [0, 5].includes(wall.getUTCDay()),
      ],
    ];

    // One year per zone; Pacific/Apia gets the year with the skipped day.
    const years = [2026, 1983, 2011, 2024];

    it.each(zones.map((zone, index) => [zone, years[index % 4] ?? 2026] as const))('%s in %d', (zone, year) => {
      const from = Date.UTC(year, 0, 1);
      const to = Date.UTC(year + 1, 0, 1);
      const wanted = schedules.map(([, isWanted]) => isWanted);
      const expected = bruteForceStarts(zone, from, to, wanted);
      for (const [index, [schedule]] of schedules.entries()) {
        const wantedStarts = expected[index] ?? [];
        const found = nextStarts(schedule, zone, from, wantedStarts.length + 1).filter((start) => start <= to);
        expect({ schedule, starts: found.map(iso) }).toEqual({ schedule, starts: wantedStarts.map(iso) });
      }
    });
  });

  describe('limits', () => {
    it('computes starts for any instant from 1970 to 2200, and 1,000 at once', () => {
      for (const after of ['1970-01-01T00:00:00Z', '2199-12-31T23:59:59Z']) {
        const found = nextStarts(
          { preset: 'every-2-months', startWithin },
          'Africa/Monrovia',
          Date.parse(after),
          1_000,
        );
        expect(found).toHaveLength(1_000);
        expect(found.every((start, index) => index === 0 || start > (found[index - 1] ?? 0))).toBe(true);
      }
    });

    it('rejects an unknown time zone', () => {
      expect(() => nextStarts(weekly, 'Mars/Olympus', 0, 1)).toThrow('unknown time zone "Mars/Olympus"');
    });

    it('returns nothing for a count of zero', () => {
      expect(nextStarts(weekly, 'UTC', 0, 0)).toEqual([]);
    });
  });

  describe('in words', () => {
    it.each<[ScheduleEntry, string]>([
      [weekly, 'every Sunday at 00:00 (Europe/Berlin)'],
      [
        { preset: 'every-2-weeks', anchor: '2026-11-29', startWithin },
        'every second Sunday at 00:00, counted from 2026-11-29 (Europe/Berlin)',
      ],
      [custom(3, 1, 2, 5), 'every year on March 1 at 02:05 (Europe/Berlin)'],
      [custom(2, 29, 2, 5), 'every leap year on February 29 at 02:05 (Europe/Berlin)'],
      [{ cron: '30 2 * * SUN', startWithin }, 'cron 30 2 * * SUN (Europe/Berlin)'],
      [{ once: '2027-03-01T02:30', startWithin }, 'once, on 2027-03-01 at 02:30 (Europe/Berlin)'],
    ])('%j', (schedule, words) => {
      expect(describeSchedule([schedule], 'Europe/Berlin')).toBe(words);
    });

    it('mentions the spread', () => {
      expect(describeSchedule([{ ...weekly, spread: '30m' }], 'UTC')).toBe(
        'every Sunday at 00:00 (UTC), spread over 30m',
      );
    });
  });

  describe('spread', () => {
    const spread: ScheduleEntry = { ...weekly, spread: '30m' };
    const names = Array.from({ length: 3_000 }, (_, at) => `prod-eu-${at}`);

    it('is a fixed share of the time, none by default', () => {
      expect(spreadMs('prod-eu', spread)).toBe(PROD_EU_MS);
      expect(spreadMs('prod-eu', weekly)).toBe(0);
    });

    it('distributes many clusters evenly, in whole seconds below the spread', () => {
      const shares = names.map((name) => spreadMs(name, spread));
      expect(shares.every((share) => share >= 0 && share < 30 * 60_000 && share % 1_000 === 0)).toBe(true);
      const perMinute = Array.from(
        { length: 30 },
        (_, minute) => shares.filter((share) => Math.floor(share / 60_000) === minute).length,
      );
      // The mean is 100; 60 and 140 are four standard deviations away.
      expect(Math.min(...perMinute)).toBeGreaterThan(60);
      expect(Math.max(...perMinute)).toBeLessThan(140);
    });
  });
});
