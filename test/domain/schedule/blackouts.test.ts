import { calendarAhead } from '../../../src/domain/schedule/ahead';
import type { MaintenanceWindow } from '../../../src/domain/schedule/window';
import { blackoutIn } from '../../../src/domain/schedule/window';
import type { Blackout, ScheduleEntry } from '../../../src/domain/spec/types';

const MONDAY = '2026-11-02T12:00:00Z';
const NIGHT: ScheduleEntry = { cron: '0 0 * * SUN', startWithin: '6h', duration: '6h', cutoff: 'forecast' };
const ENDLESS: ScheduleEntry = { cron: '0 0 * * SUN', startWithin: '1h' };

function from(begin: string, end: string, reason = 'freeze'): Blackout {
  return { from: `2026-11-${begin}`, to: `2026-11-${end}`, reason };
}

function aheadOf(schedule: ScheduleEntry[], blackouts: Blackout[], options: { after?: string; count?: number } = {}) {
  const { after = MONDAY, count = 1 } = options;
  const [sinceMs, afterMs] = [Date.parse(MONDAY), Date.parse(after)];
  const calendar = { cluster: 'prod-eu', schedule, timeZone: 'UTC', blackouts };
  return calendarAhead(calendar, { sinceMs, afterMs, nowMs: afterMs, count });
}

/** `08T00 to 08T06 of 07T22`. */
function short({ start, end, partOf }: MaintenanceWindow): string {
  const hour = (text: string): string => text.slice(8, 16).replace(/:00$/, '');
  const of = partOf === undefined ? '' : ` of ${hour(partOf)}`;
  return `${hour(start)} to ${end === null ? 'ever' : hour(end)}${of}`;
}

describe('src/domain/schedule/ahead with blackouts', () => {
  it.each<[string, Blackout[], string[]]>([
    ['nothing of a window that a blackout does not touch', [from('07T00:00', '08T00:00')], ['08T00 to 08T06']],
    ['the end', [from('08T04:00', '08T09:00')], ['08T00 to 08T04']],
    ['the beginning', [from('07T00:00', '08T02:00')], ['08T02 to 08T06 of 08T00']],
    ['the middle', [from('08T02:00', '08T03:00')], ['08T00 to 08T02', '08T03 to 08T06 of 08T00']],
    [
      'several parts, overlapping',
      [from('08T01:00', '08T03:00'), from('08T02:00', '08T04:00'), from('08T05:00', '08T05:30')],
      ['08T00 to 08T01', '08T04 to 08T05 of 08T00', '08T05:30 to 08T06 of 08T00'],
    ],
  ])('takes away %s', (_what, blackouts, wanted) => {
    const { windows, removed } = aheadOf([NIGHT], blackouts);
    expect(windows.map(short)).toEqual(wanted);
    expect(removed).toEqual([]);
  });

  it('removes a window that is wholly inside, and says why', () => {
    const { windows, removed } = aheadOf(
      [NIGHT],
      [from('07T00:00', '08T03:00', 'a'), from('08T03:00', '09T00:00', 'b')],
    );
    expect(windows.map(short)).toEqual(['15T00 to 15T06']);
    expect(removed).toEqual([{ start: '2026-11-08T00:00:00Z', end: '2026-11-08T06:00:00Z', reason: 'a and b' }]);
  });

  it('keeps the distance of the cutoff to the end of each part, and drops a part that is not longer', () => {
    const cutoff = { ...NIGHT, cutoff: '1h' };
    const { windows } = aheadOf([cutoff], [from('08T02:00', '08T03:00'), from('08T04:00', '08T04:30')]);
    expect(windows).toMatchObject([
      { end: '2026-11-08T02:00:00Z', cutoff: '2026-11-08T01:00:00Z' },
      { start: '2026-11-08T04:30:00Z', end: '2026-11-08T06:00:00Z', cutoff: '2026-11-08T05:00:00Z' },
    ]);
    // Of the last hour nothing is left for nodes that were started before.
    expect(aheadOf([cutoff], [from('08T05:00', '08T06:00')]).windows).toMatchObject([
      { end: '2026-11-08T05:00:00Z', cutoff: '2026-11-08T04:00:00Z' },
    ]);
    const all = aheadOf([{ ...NIGHT, duration: '1h', cutoff: '30m' }], [from('08T00:00', '08T00:30')]);
    expect([all.windows, all.removed]).toMatchObject([
      [{ start: '2026-11-15T00:00:00Z' }],
      [{ start: '2026-11-08T00:00:00Z', reason: 'freeze' }],
    ]);
  });

  describe('a window without an end', () => {
    const daily: Blackout = { cron: '0 8 * * *', duration: '12h', reason: 'office hours' };

    it('goes on after each blackout until the next one begins', () => {
      const { windows } = aheadOf([ENDLESS], [daily], { count: 2 });
      expect(windows.slice(0, 3).map(short)).toEqual([
        '08T00 to 08T08',
        '08T20 to 09T08 of 08T00',
        '09T20 to 10T08 of 08T00',
      ]);
      expect(windows.slice(6, 9).map(short)).toEqual([
        '13T20 to 14T08 of 08T00',
        '14T20 to 15T08 of 08T00',
        '15T00 to 15T08',
      ]);
      // A run begins at its beginning only.
      expect(windows.map(({ startBy }) => startBy).slice(0, 2)).toEqual([
        '2026-11-08T01:00:00Z',
        '2026-11-08T01:00:00Z',
      ]);
    });

    it('begins after a blackout within startWithin, and is removed otherwise', () => {
      const [window] = aheadOf([ENDLESS], [from('07T00:00', '08T01:00')]).windows;
      expect(window).toEqual({
        ...{ start: '2026-11-08T01:00:00Z', end: null, cutoff: null },
        ...{ startBy: '2026-11-08T01:00:00Z', partOf: '2026-11-08T00:00:00Z' },
      });
      const late = aheadOf([ENDLESS], [from('07T00:00', '08T01:01')]);
      expect(late).toMatchObject({
        windows: [{ start: '2026-11-15T00:00:00Z' }],
        removed: [{ start: '2026-11-08T00:00:00Z', end: null }],
      });
    });
  });

  it('still gives the parts of a window that has begun, and not those of one before the schedule was changed', () => {
    const middle = [from('08T02:00', '08T03:00')];
    const { windows } = aheadOf([NIGHT], middle, { after: '2026-11-08T00:00:00Z' });
    expect(windows.map(short)).toEqual(['08T03 to 08T06 of 08T00', '15T00 to 15T06']);
    const calendar = { cluster: 'prod-eu', schedule: [NIGHT], timeZone: 'UTC', blackouts: middle };
    const changed = Date.parse('2026-11-08T00:30:00Z');
    const since = calendarAhead(calendar, { sinceMs: changed, afterMs: changed, nowMs: changed, count: 1 });
    expect(since.windows.map(short)).toEqual(['15T00 to 15T06']);
  });

  it('loses no window that starts where a part of an earlier one begins, however few windows are asked for', () => {
    const daily: ScheduleEntry = { cron: '0 13 * * *', startWithin: '25h', duration: '25h', cutoff: 'forecast' };
    const blackouts = [from('08T05:00', '09T13:00')];
    const found = new Set<string>();
    for (let after = MONDAY; Date.parse(after) < Date.parse('2026-11-12T00:00:00Z');) {
      const [first] = aheadOf([daily], blackouts, { after }).windows;
      found.add(short(first as MaintenanceWindow));
      after = first?.start ?? '';
    }
    expect([...found]).toContain('09T13 to 10T14');
    expect(found.size).toBe(10);
  });

  it('looks on until a blackout leaves something', () => {
    const hourly: ScheduleEntry = { cron: '0 * * * *', startWithin: '24h', duration: '24h', cutoff: 'forecast' };
    const { windows } = aheadOf([hourly], [from('02T12:00', '03T06:30')]);
    expect(windows.map(short)[0]).toContain('03T06:30 to');
  });

  it('takes the zone of the blackout, and elapsed time for its duration, over a clock change', () => {
    const blackout: Blackout = { cron: '0 1 * * SUN', duration: '3h', reason: 'x', timeZone: 'Europe/Berlin' };
    const spring = aheadOf([], [blackout], { after: '2026-03-29T00:00:00Z' });
    expect(spring.blackouts[0]).toEqual({ start: '2026-03-29T00:00:00Z', end: '2026-03-29T03:00:00Z', reason: 'x' });
  });

  it('lists blackouts in force and to come, at most 40, and says how far they are known', () => {
    const hourly: Blackout = { cron: '0 * * * *', duration: '10m', reason: 'backup' };
    const { blackouts, until } = aheadOf([], [hourly], { after: '2026-11-02T12:05:00Z' });
    expect(blackouts).toHaveLength(40);
    expect(blackouts[0]?.start).toBe('2026-11-02T12:00:00Z');
    expect(until).toBe('2026-11-04T04:00:00.000Z');
    expect(aheadOf([NIGHT], []).until).toBeNull();
  });

  it('names the blackout at a moment, of several the one that ends last', () => {
    const { blackouts } = aheadOf([], [from('03T00:00', '05T00:00', 'short'), from('04T00:00', '06T00:00', 'long')]);
    const at = (day: string) => blackoutIn(blackouts, Date.parse(`2026-11-${day}T12:00:00Z`))?.reason ?? null;
    expect(['02', '03', '04', '05', '06'].map(at)).toEqual([null, 'short', 'long', 'long', null]);
  });
});
