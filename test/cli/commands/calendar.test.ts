import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ICAL from 'ical.js';
import { renderCalendar } from '../../../src/cli/render/calendar';
import { renderIcs } from '../../../src/cli/render/ics';
import { textWidth } from '../../../src/cli/render/columns';
import type { ClusterCalendar } from '../../../src/domain/schedule/calendar';
import { runOffline } from '../offline-context';

const NOW = Date.parse('2026-11-23T12:00:00Z');
const FREEZE = 'Christmas, "freeze"; nothing is changed \\ by anybody äöü until the books of the year are closed';

let cwd: string;
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'ospatch-calendar-'));
});
afterEach(() => rmSync(cwd, { recursive: true }));

function write(patching: string, name = 'prod-eu', file = 'a.yaml'): void {
  const node =
    'nodes: [{name: w-1, hostKeys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDvls8SS4rvP2QdSSVl5t9lsRoJShV8y9UXzljMSEYea]}]';
  writeFileSync(
    join(cwd, file),
    `apiVersion: ospatch/v1\nname: ${name}\nssh: {user: root}\npatching: ${patching}\n${node}\n`,
  );
}

const run = (...args: string[]) => runOffline(['calendar', '-f', 'a.yaml', ...args], { cwd });
const SPEC =
  '{timeZone: Europe/Berlin, schedule: [{cron: "0 22 * * SAT", duration: 4h, cutoff: 30m}, {cron: "0 3 1 * *"}], ' +
  'blackouts: [{from: "2026-12-05T23:00", to: "2026-12-06T01:00", reason: short}, ' +
  '{from: "2026-12-12T00:00", to: "2026-12-14T00:00", reason: audit}]}';

describe('ospatch calendar', () => {
  it('shows windows and blackouts of the next weeks day by day', async () => {
    write(SPEC);
    const { code, stdout, stderr } = await run('--weeks', '3');
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toBe(
      [
        'cluster prod-eu, Mon 2026-11-23 to Mon 2026-12-14, times in Europe/Berlin',
        'Sat 2026-11-28',
        '  22:00  window to Sun 2026-11-29 02:00, cutoff Sun 2026-11-29 01:30',
        'Tue 2026-12-01',
        '  03:00  window to Sat 2026-12-05 23:00, cutoff by forecast',
        'Sat 2026-12-05',
        '  22:00  window to 23:00, cutoff 22:30',
        '  23:00  blackout to Sun 2026-12-06 01:00: short',
        'Sun 2026-12-06',
        '  01:00  window to Sat 2026-12-12 00:00, cutoff by forecast (part of the one of Sat 2026-12-05 22:00)',
        'Sat 2026-12-12',
        '  00:00  blackout to Mon 2026-12-14 00:00: audit',
        '  22:00  no window, because of the blackout: audit',
        'Mon 2026-12-14',
        '  00:00  window (part of the one of Tue 2026-12-01 03:00), runs have no end',
        '',
      ].join('\n'),
    );
  });

  it('says which calendar files it does not know, and shows several clusters one after the other', async () => {
    write('{schedule: weekly, blackouts: [{ical: holidays.ics}]}');
    const { code, stdout, stderr } = await run('--weeks', '1');
    expect([code, stdout]).toEqual([0, expect.stringContaining('Sun 2026-11-29\n  00:00  window')]);
    expect(stderr).toContain('blackouts of holidays.ics are left out');
    write('{schedule: weekly}', 'other', 'b.yaml');
    const all = await runOffline(['calendar', '-f', '.', '-o', 'json'], { cwd });
    expect((JSON.parse(all.stdout) as ClusterCalendar[]).map(({ cluster }) => cluster)).toEqual(['prod-eu', 'other']);
  });

  it('refuses a name and a file together, neither, and two formats', async () => {
    write(SPEC);
    expect(await runOffline(['calendar'], { cwd })).toMatchObject({ code: 2 });
    expect(await run('prod-eu')).toMatchObject({ code: 2 });
    expect(await run('--ics', '-o', 'json')).toMatchObject({ code: 2 });
    expect(await run('--weeks', '0')).toMatchObject({ code: 2 });
  });

  const calendar: ClusterCalendar = {
    ...{ cluster: 'prod-eu', timeZone: 'Europe/Berlin', missing: [] },
    ...{ from: '2026-11-23T12:00:00Z', to: '2027-01-04T12:00:00Z' },
    windows: [
      { start: '2026-11-28T22:00:00+01:00', end: '2026-11-29T02:00:00+01:00', cutoff: '2026-11-29T01:30:00+01:00' },
      { start: '2026-12-01T03:00:00+01:00', end: null, cutoff: null },
    ],
    removed: [{ start: '2026-12-26T22:00:00+01:00', end: '2026-12-27T02:00:00+01:00', reason: FREEZE }],
    blackouts: [{ start: '2026-12-20T00:00:00+01:00', end: '2027-01-04T00:00:00+01:00', reason: FREEZE }],
  };

  it.each([40, 60, 80])('fits into %i columns', (columns) => {
    const plain = (text: string): string => text;
    const colors = { bold: plain, green: plain, yellow: plain, columns };
    const lines = renderCalendar(calendar, colors as unknown as Parameters<typeof renderCalendar>[1]).split('\n');
    expect(Math.max(...lines.map(textWidth))).toBeLessThanOrEqual(columns);
    expect(lines.join(' ').replace(/\s+/g, ' ')).toContain('books of the year are closed');
  });

  describe('--ics', () => {
    const text = renderIcs([calendar], NOW);

    it('is read by an iCalendar library, with all events and their texts', () => {
      const component = new ICAL.Component(ICAL.parse(text) as ConstructorParameters<typeof ICAL.Component>[0]);
      const events = component.getAllSubcomponents('vevent').map((event) => new ICAL.Event(event));
      expect(events.map(({ summary, startDate }) => `${startDate.toString()} ${summary}`)).toEqual([
        '2026-11-28T21:00:00Z prod-eu: maintenance window',
        '2026-12-01T02:00:00Z prod-eu: maintenance window',
        '2026-12-19T23:00:00Z prod-eu: blackout',
        '2026-12-26T21:00:00Z prod-eu: no maintenance window',
      ]);
      expect(events[2]?.description).toBe(FREEZE);
      expect(events[0]?.endDate.toString()).toBe('2026-11-29T01:00:00Z');
    });

    it('has lines of at most 75 octets that end with CRLF, and the same UIDs at any time', () => {
      expect(text.endsWith('END:VCALENDAR\r\n')).toBe(true);
      const lines = text.split('\r\n');
      expect(lines.some((line) => line.includes('\n'))).toBe(false);
      expect(Math.max(...lines.map((line) => Buffer.byteLength(line)))).toBeLessThanOrEqual(75);
      const uids = (ics: string) => ics.match(/^UID:.*$/gm);
      expect(uids(renderIcs([calendar], NOW + 86_400_000))).toEqual(uids(text));
      expect(new Set(uids(text)).size).toBe(4);
    });

    it('is printed as it is', async () => {
      write(SPEC);
      const { code, stdout } = await run('--ics');
      expect([code, stdout.startsWith('BEGIN:VCALENDAR\r\n')]).toEqual([0, true]);
    });
  });
});
