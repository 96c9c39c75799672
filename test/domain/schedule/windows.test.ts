import type { MaintenanceWindow } from '../../../src/domain/schedule/window';
import { isWindowOpen, mayBegin } from '../../../src/domain/schedule/window';
import { calendarAhead } from '../../../src/domain/schedule/ahead';
import { nextStarts, spreadMs } from '../../../src/domain/schedule/next-starts';
import type { ScheduleEntry } from '../../../src/domain/spec/types';

type Entry = ScheduleEntry extends infer E ? Partial<E> : never;

/** Windows after `after` of entries with the defaults of `startWithin` and `cutoff`. */
function windows(entries: Entry[], after: string, options: { zone?: string; since?: string; count?: number } = {}) {
  const { zone = 'UTC', since = after, count = 3 } = options;
  const schedule = entries.map((entry) => ({
    startWithin: entry.duration ?? '1h',
    ...(entry.duration === undefined ? {} : { cutoff: 'forecast' }),
    ...entry,
  })) as ScheduleEntry[];
  const [sinceMs, afterMs] = [Date.parse(since), Date.parse(after)];
  const calendar = { cluster: 'prod-eu', schedule, timeZone: zone, blackouts: [] };
  return calendarAhead(calendar, { sinceMs, afterMs, nowMs: afterMs, count, listed: count }).windows;
}

function times({ start, end }: MaintenanceWindow): string {
  return end === null ? start : `${start} to ${end}`;
}

const MONDAY = '2026-11-02T12:00:00Z';

describe('src/domain/schedule/windows', () => {
  describe('one entry', () => {
    it('has no end without a duration, and the run may begin within startWithin', () => {
      expect(windows([{ cron: '0 2 * * SUN' }], MONDAY, { count: 1 })).toEqual([
        { start: '2026-11-08T02:00:00Z', end: null, cutoff: null, startBy: '2026-11-08T03:00:00Z' },
      ]);
    });

    it('ends after its duration; the run may begin as long as the window is open', () => {
      expect(windows([{ cron: '0 2 * * SUN', duration: '4h' }], MONDAY, { count: 1 })).toEqual([
        { start: '2026-11-08T02:00:00Z', end: '2026-11-08T06:00:00Z', cutoff: null },
      ]);
    });

    it('has a cutoff before the end, and a limit of startWithin when that is shorter', () => {
      const entry = { cron: '0 2 * * SUN', duration: '4h', cutoff: '30m', startWithin: '1h' };
      expect(windows([entry], MONDAY, { count: 1 })).toEqual([
        {
          start: '2026-11-08T02:00:00Z',
          end: '2026-11-08T06:00:00Z',
          cutoff: '2026-11-08T05:30:00Z',
          startBy: '2026-11-08T03:00:00Z',
        },
      ]);
    });

    it.each([
      // One hour of the wall clock is skipped, or repeated; four hours have passed all the same.
      ['spring', '2026-03-28T12:00:00Z', '2026-03-29T01:00:00+01:00 to 2026-03-29T06:00:00+02:00'],
      ['autumn', '2026-10-24T12:00:00Z', '2026-10-25T01:00:00+02:00 to 2026-10-25T04:00:00+01:00'],
    ])('counts elapsed time over the clock change in %s', (_when, after, wanted) => {
      const entry = { cron: '0 1 * * SUN', duration: '4h' };
      expect(windows([entry], after, { zone: 'Europe/Berlin', count: 1 }).map(times)).toEqual([wanted]);
    });

    it('starts later by the share of the spread and ends with all others', () => {
      const [plain] = windows([{ cron: '0 2 * * SUN', duration: '4h' }], MONDAY);
      const [spread] = windows([{ cron: '0 2 * * SUN', duration: '4h', spread: '1h' }], MONDAY);
      const later = spreadMs('prod-eu', { spread: '1h' });
      expect(later).toBeGreaterThan(0);
      expect(Date.parse(spread?.start ?? '') - Date.parse(plain?.start ?? '')).toBe(later);
      expect(spread?.end).toBe(plain?.end);
    });

    it('includes a window whose scheduled time has passed and whose spread start has not', () => {
      const entry: ScheduleEntry = { preset: 'weekly', startWithin: '1h', spread: '30m' };
      const [first = 0] = nextStarts(entry, 'UTC', Date.parse(MONDAY), 1);
      const later = spreadMs('prod-eu', entry);
      const next = (after: number) =>
        windows([entry], new Date(after).toISOString(), { count: 1 }).map(({ start }) => Date.parse(start));
      expect(next(first)).toEqual([first + later]);
      expect(next(first + later)).toEqual([first + later + 7 * 86_400_000]);
    });

    it('does not count a window that was open when the schedule was applied', () => {
      const entry = { cron: '0 2 * * SUN', duration: '4h' };
      const found = windows([entry], '2026-11-08T03:00:00Z', { count: 1 });
      expect(found.map(times)).toEqual(['2026-11-15T02:00:00Z to 2026-11-15T06:00:00Z']);
    });
  });

  describe('several entries', () => {
    it('takes them in order of time, each in its zone', () => {
      const found = windows(
        [
          { cron: '0 2 * * SUN', duration: '1h', timeZone: 'America/New_York' },
          { cron: '0 2 * * SUN', duration: '1h' },
        ],
        MONDAY,
        { zone: 'Asia/Tokyo', count: 2 },
      );
      expect(found.map(times)).toEqual([
        '2026-11-08T02:00:00+09:00 to 2026-11-08T03:00:00+09:00',
        '2026-11-08T02:00:00-05:00 to 2026-11-08T03:00:00-05:00',
      ]);
    });

    it.each([
      ['overlap', '0 22 * * SAT', '0 0 * * SUN', '2026-11-07T22:00:00Z to 2026-11-08T04:00:00Z'],
      ['touch', '0 20 * * SAT', '0 0 * * SUN', '2026-11-07T20:00:00Z to 2026-11-08T04:00:00Z'],
      ['start together', '0 0 * * SUN', '0 0 * * SUN', '2026-11-08T00:00:00Z to 2026-11-08T04:00:00Z'],
    ])('joins windows that %s', (_how, one, other, wanted) => {
      const entries = [
        { cron: one, duration: '4h' },
        { cron: other, duration: '4h' },
      ];
      expect(windows(entries, MONDAY, { count: 1 }).map(times)).toEqual([wanted]);
      expect(windows(entries.toReversed(), MONDAY, { count: 1 }).map(times)).toEqual([wanted]);
    });

    it('takes the cutoff of the window that ends last, of one end the earlier moment', () => {
      const first = { cron: '0 22 * * SAT', duration: '4h', cutoff: '3h' };
      const last = { cron: '0 0 * * SUN', duration: '4h', cutoff: '30m' };
      expect(windows([first, last], MONDAY, { count: 1 })).toMatchObject([{ cutoff: '2026-11-08T03:30:00Z' }]);
      expect(windows([first, { ...last, cutoff: 'forecast' }], MONDAY, { count: 1 })).toMatchObject([{ cutoff: null }]);
      const same = [last, { ...last, cutoff: 'forecast' }, { ...last, cutoff: '1h' }];
      expect(windows(same, MONDAY, { count: 1 })).toMatchObject([{ cutoff: '2026-11-08T03:00:00Z' }]);
    });

    it('loses no start of an entry that starts again within its own time', () => {
      const daily = { cron: '0 0 * * *', duration: '24h' };
      const found = windows([daily, { cron: '0 18 * * *', duration: '12h' }], MONDAY, { count: 3 });
      expect(found.map(times)).toEqual([
        '2026-11-02T18:00:00Z to 2026-11-03T06:00:00Z',
        '2026-11-03T00:00:00Z to 2026-11-04T00:00:00Z',
        '2026-11-03T18:00:00Z to 2026-11-04T06:00:00Z',
      ]);
    });

    it('joins no windows to one of more than seven days', () => {
      const days = (once: string): Entry => ({ once: `${once}T00:00`, duration: '4d' });
      expect(windows([days('2026-11-07'), days('2026-11-10')], MONDAY).map(times)).toEqual([
        '2026-11-07T00:00:00Z to 2026-11-14T00:00:00Z',
      ]);
      expect(windows([days('2026-11-07'), days('2026-11-11')], MONDAY).map(times)).toEqual([
        '2026-11-07T00:00:00Z to 2026-11-11T00:00:00Z',
        '2026-11-11T00:00:00Z to 2026-11-15T00:00:00Z',
      ]);
    });

    it('leaves a window without an end for itself; of one start it outlasts the others', () => {
      const night = { cron: '0 0 * * SUN', duration: '6h' };
      const found = windows([night, { cron: '0 2 * * SUN' }], MONDAY, { count: 2 });
      expect(found.map(times)).toEqual(['2026-11-08T00:00:00Z to 2026-11-08T06:00:00Z', '2026-11-08T02:00:00Z']);
      expect(windows([night, { preset: 'weekly' }], MONDAY, { count: 1 }).map(times)).toEqual(['2026-11-08T00:00:00Z']);
    });

    it('gives the same windows wherever the enumeration begins', () => {
      const entries: Entry[] = [
        { cron: '0 0 * * *', duration: '23h' },
        { cron: '30 21 * * FRI', duration: '2d' },
        { cron: '0 3 1,15 * *', duration: '12h', cutoff: '1h' },
        { cron: '15 4 * * WED' },
      ];
      const all = windows(entries, MONDAY, { since: '2026-10-01T00:00:00Z', count: 60 });
      expect(all).toHaveLength(60);
      for (const [at, { start }] of all.slice(0, -1).entries()) {
        expect(windows(entries, start, { since: '2026-10-01T00:00:00Z', count: 1 })).toEqual([all[at + 1]]);
      }
    });
  });

  describe('at a moment', () => {
    const window = { start: '2026-11-08T02:00:00Z', end: '2026-11-08T06:00:00Z', cutoff: '2026-11-08T05:30:00Z' };
    const at = (time: string) => Date.parse(`2026-11-08T${time}Z`);

    it('is open from its start to its cutoff or end', () => {
      expect(['01:59', '02:00', '05:29', '05:30'].map((time) => isWindowOpen(window, at(time)))).toEqual([
        ...[false, true, true, false],
      ]);
      expect(isWindowOpen({ ...window, cutoff: null }, at('05:59'))).toBe(true);
      expect(isWindowOpen({ ...window, cutoff: null }, at('06:00'))).toBe(false);
      expect(isWindowOpen({ ...window, end: null, cutoff: null }, at('23:00'))).toBe(true);
    });

    it('lets a run begin until startBy, and never once no node may be started', () => {
      expect(mayBegin(window, at('05:29'))).toBe(true);
      expect(mayBegin(window, at('05:30'))).toBe(false);
      expect(mayBegin({ ...window, startBy: '2026-11-08T03:00:00Z' }, at('03:00'))).toBe(true);
      expect(mayBegin({ ...window, startBy: '2026-11-08T03:00:00Z' }, at('03:01'))).toBe(false);
    });
  });
});
