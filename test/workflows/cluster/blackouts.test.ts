/** Years of windows and blackouts in a cluster workflow, against an independent calendar. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClusterHistory } from '../../../src/domain/cluster/messages';
import type { Patching } from '../../../src/domain/spec/types';
import { clusterSpec } from '../../support/builders';
import type { Wall } from '../../support/calendar';
import { startsBetween } from '../../support/calendar';
import { YEARS_LIMIT_MS, harnessPerTest } from '../harness-per-test';

const DAY_MS = 24 * 3_600_000;
const ZONE = 'Europe/Berlin';

const harness = harnessPerTest();

function patchingAt(cron: string): Partial<Patching> {
  return {
    timeZone: ZONE,
    schedule: [{ cron, startWithin: '4h', duration: '4h', cutoff: 'forecast' }],
    blackouts: [{ cron: '0 0 20 12 *', duration: '15d', reason: 'year end' }],
  };
}

const isYearEnd = ({ month, day }: Wall): boolean => (month === 12 && day >= 20) || (month === 1 && day <= 3);

describe('src/workflows/cluster/cluster with blackouts', () => {
  it(
    'starts every run of three years on time, with clock changes, blackouts, a pause, a failure and a new spec',
    () =>
      harness().withWorker(async (cluster) => {
        const { env, nodes, handle } = cluster;
        const expected: number[] = [];
        let now = await env.currentTimeMs();
        const first = now;
        const pass = async (days: number, hour: number, minute: number, paused = false): Promise<void> => {
          const from = now;
          await cluster.passDays(days);
          now = await env.currentTimeMs();
          const wanted = (wall: Wall): boolean => wall.weekday === 0 && !isYearEnd(wall);
          if (!paused) expected.push(...startsBetween(ZONE, from, now, wanted, hour, minute));
        };
        nodes.node('w-1').pending = [];
        await cluster.apply(clusterSpec(['w-1'], patchingAt('0 2 * * SUN'), cluster.name));
        await pass(300, 2, 0);
        await handle.executeUpdate('pause', { args: [{ by: 'ann' }] });
        await pass(30, 2, 0, true);
        await handle.executeUpdate('resume', { args: [{ by: 'ann' }] });
        nodes.node('w-1').preflightError = { type: 'Policy', message: 'refused' };
        await pass(60, 2, 0);
        nodes.node('w-1').preflightError = null;
        await pass(310, 2, 0);
        await cluster.apply(clusterSpec(['w-1'], patchingAt('30 3 * * SUN'), cluster.name));
        await pass(3 * 365 - 700, 3, 30);
        const starts = nodes.audit.map(({ result }) => Math.floor(Date.parse(result.startedAt) / 60_000) * 60_000);
        expect(now - first).toBeGreaterThanOrEqual(3 * 365 * DAY_MS);
        expect(starts.map((start) => new Date(start).toISOString())).toEqual(
          expected.map((start) => new Date(start).toISOString()),
        );
        const failed = nodes.audit.filter(({ result }) => result.outcome === 'failed').length;
        expect([failed > 5, failed < 10]).toEqual([true, true]);
        const { windows } = await handle.query<ClusterHistory>('history');
        expect(windows.map(({ result }) => result.replace(/\d+/, 'N'))).toContain('run N');
      }),
    YEARS_LIMIT_MS,
  );

  it('begins no window while a calendar file cannot be read, and late once it can', () =>
    harness().withWorker(async (cluster) => {
      const dir = mkdtempSync(join(tmpdir(), 'ospatch-calendars-'));
      const write = (events: string): void =>
        writeFileSync(join(dir, 'freeze.ics'), `BEGIN:VCALENDAR\r\nVERSION:2.0\r\n${events}END:VCALENDAR\r\n`, {
          mode: 0o644,
        });
      const { env, nodes } = cluster;
      nodes.node('w-1').pending = [];
      const begin = new Date(Math.ceil((await env.currentTimeMs()) / DAY_MS) * DAY_MS + DAY_MS);
      const patching: Partial<Patching> = {
        schedule: [{ cron: '0 0 * * *', startWithin: '4h', duration: '4h', cutoff: 'forecast' }],
        blackouts: [{ ical: 'freeze.ics' }],
      };
      await cluster.apply(clusterSpec(['w-1'], patching, cluster.name));
      await cluster.until('the file is missing', ({ scheduleError }) => scheduleError !== null);
      expect((await cluster.status()).scheduleError).toMatch(/freeze\.ics .*; fix: place the iCalendar file/);
      await env.sleep(begin.getTime() - (await env.currentTimeMs()) + 3_600_000);
      expect(nodes.audit).toHaveLength(0);
      nodes.calendarDir = dir;
      write('');
      await env.sleep(600_000);
      expect(await cluster.untilIdle(1)).toMatchObject({ scheduleError: null, lastRun: { trigger: 'schedule' } });
      // The file is read again before the next window, which is inside a blackout now.
      const day = new Date(begin.getTime() + DAY_MS).toISOString().slice(0, 10).replaceAll('-', '');
      write(`BEGIN:VEVENT\r\nUID:1\r\nDTSTART;VALUE=DATE:${day}\r\nSUMMARY:audit\r\nEND:VEVENT\r\n`);
      await env.sleep(DAY_MS);
      const { windows } = await cluster.handle.query<ClusterHistory>('history');
      expect(windows.map(({ result }) => result)).toEqual([
        expect.stringMatching(/^(missed|run 1)/),
        expect.stringMatching(/^(run 1, late|missed \(blackout: audit\))$/),
        ...(windows.length > 2 ? ['missed (blackout: audit)'] : []),
      ]);
      expect(windows.at(-1)?.result).toBe('missed (blackout: audit)');
      rmSync(dir, { recursive: true });
    }));
});
