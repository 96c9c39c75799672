/** Blackouts in a cluster workflow. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClusterHistory } from '../../../src/domain/cluster/messages';
import type { Patching } from '../../../src/domain/spec/types';
import { clusterSpec } from '../../support/builders';
import { Harness } from '../harness';

const DAY_MS = 24 * 3_600_000;

let harness: Harness;

// A server per test: unfinished work of one test would stop the clock of the time-skipping server for ever.
jest.retryTimes(2, { logErrorsBeforeRetry: true });

beforeEach(async () => {
  harness = await Harness.start();
});

afterEach(() => harness.stop());

describe('src/workflows/cluster/cluster with blackouts', () => {
  it('begins no window while a calendar file cannot be read, and late once it can', () =>
    harness.withWorker(async (cluster) => {
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
