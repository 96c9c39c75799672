/** A year of each schedule, with its daylight-saving changes, against an independent calendar. */
import type { ClusterHistory } from '../../../src/domain/cluster/messages';
import type { ScheduleEntry } from '../../../src/domain/spec/types';
import { type Wall, dayNumber, startsBetween } from '../../support/calendar';
import { clusterSpec } from '../../support/builders';
import { YEARS_LIMIT_MS, harnessPerTest } from '../harness-per-test';

const YEAR_DAYS = 370;

const harness = harnessPerTest();

interface Case {
  schedule: ScheduleEntry;
  zone: string;
  wanted: (wall: Wall) => boolean;
  hour?: number;
  minute?: number;
  atLeast: number;
}

const ANCHOR = dayNumber({ year: 2024, month: 1, day: 7 });
const sunday = (wall: Wall): boolean => wall.weekday === 0;

const CASES: [string, Case][] = [
  [
    'weekly in Berlin',
    { schedule: { preset: 'weekly', startWithin: '1h' }, zone: 'Europe/Berlin', wanted: sunday, atLeast: 52 },
  ],
  [
    'every two weeks in Santiago, where the clock skips midnight',
    {
      schedule: { preset: 'every-2-weeks', startWithin: '1h' },
      zone: 'America/Santiago',
      wanted: (wall) => sunday(wall) && (dayNumber(wall) - ANCHOR) % 14 === 0,
      atLeast: 26,
    },
  ],
  [
    'monthly in New York',
    {
      schedule: { preset: 'monthly', startWithin: '24h' },
      zone: 'America/New_York',
      wanted: ({ day }) => day === 1,
      atLeast: 12,
    },
  ],
  [
    'every two months in Sydney',
    {
      schedule: { preset: 'every-2-months', startWithin: '24h' },
      zone: 'Australia/Sydney',
      wanted: ({ day, month }) => day === 1 && month % 2 === 1,
      atLeast: 6,
    },
  ],
  [
    'once a year at an exact minute',
    {
      schedule: { custom: { month: 3, day: 28, hour: 2, minute: 30 }, startWithin: '24h' },
      zone: 'Europe/Berlin',
      wanted: ({ month, day }) => month === 3 && day === 28,
      hour: 2,
      minute: 30,
      atLeast: 1,
    },
  ],
  [
    'by a cron expression, every Sunday at half past two, also when that time is skipped or comes twice',
    {
      schedule: { cron: '30 2 * * SUN', startWithin: '1h' },
      zone: 'Europe/Berlin',
      wanted: sunday,
      hour: 2,
      minute: 30,
      atLeast: 52,
    },
  ],
];

describe('src/workflows/cluster/cluster with schedules', () => {
  it.each(CASES)(
    'starts a run %s, for a year',
    (_what, { schedule, zone, wanted, hour, minute, atLeast }) =>
      harness().withWorker(async (cluster) => {
        const begin = await cluster.env.currentTimeMs();
        cluster.nodes.node('w-1').pending = [];
        await cluster.apply(clusterSpec(['w-1'], { schedule: [schedule], timeZone: zone }, cluster.name));
        await cluster.passDays(YEAR_DAYS);
        const end = await cluster.env.currentTimeMs();
        const expected = startsBetween(zone, begin, end, wanted, hour, minute);
        const actual = cluster.nodes.audit.map(
          ({ result }) => Math.floor(Date.parse(result.startedAt) / 60_000) * 60_000,
        );
        expect(expected.length).toBeGreaterThanOrEqual(atLeast);
        expect(actual.map((start) => new Date(start).toISOString())).toEqual(
          expected.map((start) => new Date(start).toISOString()),
        );
        expect(cluster.nodes.audit.every(({ trigger }) => trigger === 'schedule')).toBe(true);
      }),
    YEARS_LIMIT_MS,
  );

  it('applies a schedule at once while sleeping', () =>
    harness().withWorker(async (cluster) => {
      await cluster.apply(clusterSpec(undefined, {}, cluster.name));
      await cluster.env.sleep('3 days');
      const now = new Date(await cluster.env.currentTimeMs());
      const soon = new Date(Math.ceil(now.getTime() / 60_000) * 60_000 + 2 * 3_600_000);
      await cluster.apply(
        clusterSpec(
          undefined,
          {
            schedule: [
              {
                custom: {
                  month: soon.getUTCMonth() + 1,
                  day: soon.getUTCDate(),
                  hour: soon.getUTCHours(),
                  minute: soon.getUTCMinutes(),
                },
                startWithin: '24h',
              },
            ],
          },
          cluster.name,
        ),
      );
      const planned = await cluster.until('the window is known', (status) => status.nextWindow !== null);
      expect(Date.parse(planned.nextWindow?.start ?? '')).toBe(soon.getTime());
      await cluster.env.sleep('125 minutes');
      const status = await cluster.untilIdle(1);
      expect(status.lastRun).toMatchObject({ trigger: 'schedule' });
      expect(Math.abs(Date.parse(status.lastRun?.startedAt ?? '') - soon.getTime())).toBeLessThan(60_000);
      expect((await cluster.handle.query<ClusterHistory>('history')).windows).toEqual([
        { at: expect.any(String), result: 'run 1' },
      ]);
    }));
});
