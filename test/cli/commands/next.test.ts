import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runOffline, specText as spec } from '../offline-context';

describe('src/cli/commands/next', () => {
  let cwd: string;

  beforeEach(() => {
    cwd = mkdtempSync(join(tmpdir(), 'ospatch-cli-'));
  });
  afterEach(() => rmSync(cwd, { recursive: true }));

  function write(text: string): void {
    writeFileSync(join(cwd, 'a.yaml'), text);
  }

  const berlin = '{timeZone: Europe/Berlin, schedule: {cron: "30 2 * * SUN"}}';

  async function startsOf(patching: string, ...args: string[]): Promise<unknown> {
    write(spec(patching));
    const { code, stdout, stderr } = await runOffline(['next', '-f', 'a.yaml', '-o', 'json', ...args], { cwd });
    expect([code, stderr]).toEqual([0, '']);
    return (JSON.parse(stdout) as { start: string }[]).map(({ start }) => start);
  }

  it('prints starts with the offset of the time zone', async () => {
    expect(await startsOf(berlin, '--after', '2027-03-20', '--count', '3')).toEqual([
      '2027-03-21T02:30:00+01:00',
      '2027-03-28T03:00:00+02:00',
      '2027-04-04T02:30:00+02:00',
    ]);
    expect(await startsOf('{schedule: monthly, timeZone: America/New_York}', '--count', '1')).toEqual([
      '2026-12-01T00:00:00-05:00',
    ]);
    expect(await startsOf('{schedule: monthly}', '--count', '1')).toEqual(['2026-12-01T00:00:00Z']);
  });

  it('prints the spread starts of this cluster', async () => {
    const exact = await startsOf('{schedule: weekly}', '--count', '1');
    const spread = await startsOf('{schedule: {preset: weekly, spread: 30m}}', '--count', '1');
    const later = Date.parse(String(spread)) - Date.parse(String(exact));
    expect(later).toBeGreaterThan(0);
    expect(later).toBeLessThan(30 * 60_000);
    const { stdout } = await runOffline(['next', '-f', 'a.yaml', '--count', '1'], { cwd });
    expect(stdout).toContain('every Sunday at 00:00 (UTC), spread over 30m');
  });

  it('prints the next five starts by default', async () => {
    expect(await startsOf('{schedule: weekly}')).toHaveLength(5);
  });

  it.each([
    ['2026-12-06T02:30:00+01:00', '2026-12-13T02:30:00+01:00'],
    ['2026-12-06T01:29:59.999Z', '2026-12-06T02:30:00+01:00'],
    ['2026-12-06T01:30:00Z', '2026-12-13T02:30:00+01:00'],
    ['2026-12-06T02:29', '2026-12-06T02:30:00+01:00'],
    ['2026-12-06T02:30', '2026-12-13T02:30:00+01:00'],
    ['2026-12-06', '2026-12-06T02:30:00+01:00'],
  ])('accepts --after %s', async (after, expected) => {
    expect(await startsOf(berlin, '--after', after, '--count', '1')).toEqual([expected]);
  });

  it.each([
    'tomorrow',
    '2027-02-30',
    '2027-13-01',
    '2027-03-01T25:00',
    '1969-12-31',
    '2200-01-02',
    '2027-03-01T00:00:00+25:00',
  ])('rejects --after %s', async (after) => {
    write(spec(berlin));
    const { code, stdout, stderr } = await runOffline(['next', '-f', 'a.yaml', '--after', after], { cwd });
    expect([code, stdout, stderr]).toEqual([
      2,
      '',
      expect.stringContaining(`error: --after: found "${after}"; allowed: `),
    ]);
  });

  it('prints weekday, local time and UTC as text', async () => {
    write(spec(berlin));
    const { stdout } = await runOffline(['next', '-f', 'a.yaml', '--count', '1'], { cwd });
    expect(stdout).toBe(
      'cluster prod-eu: cron 30 2 * * SUN (Europe/Berlin)\n' +
        'Start (Europe/Berlin)  UTC\n' +
        'Sun 2026-11-29 02:30   2026-11-29T01:30:00Z\n',
    );
  });

  it('needs no host keys, and prints no start for a single start in the past', async () => {
    write(spec('{schedule: {once: "2026-01-01T00:00"}}').replace(/, hostKeys.*]/, ''));
    const { code, stdout } = await runOffline(['next', '-f', 'a.yaml'], { cwd });
    expect([code, stdout]).toEqual([0, expect.stringContaining('no start after 2026-11-23T12:00:00+00:00')]);
  });

  it('reports a missing schedule, and prints an empty list as JSON', async () => {
    write(spec('{}'));
    expect(await runOffline(['next', '-f', 'a.yaml', '-o', 'json'], { cwd })).toEqual({
      code: 0,
      stdout: '[]\n',
      stderr: 'cluster prod-eu has no schedule, it is patched on demand only\n',
    });
  });

  const several = `${spec('{schedule: monthly}')}---\n${spec('{}', 'b')}---\n${spec('{schedule: weekly}', 'c')}`;

  it('prints several clusters one after the other', async () => {
    write(several);
    expect(await runOffline(['next', '-f', 'a.yaml', '--count', '1'], { cwd })).toEqual({
      code: 0,
      stdout:
        'cluster prod-eu: on the 1st of every month at 00:00 (UTC)\n' +
        'Start (UTC)           UTC\nTue 2026-12-01 00:00  2026-12-01T00:00:00Z\n' +
        'cluster c: every Sunday at 00:00 (UTC)\n' +
        'Start (UTC)           UTC\nSun 2026-11-29 00:00  2026-11-29T00:00:00Z\n',
      stderr: 'cluster b has no schedule, it is patched on demand only\n',
    });
  });

  it('rejects several clusters with -o json, which has no cluster names', async () => {
    write(several);
    expect(await runOffline(['next', '-f', 'a.yaml', '-o', 'json'], { cwd })).toEqual({
      code: 2,
      stdout: '',
      stderr:
        'error: a.yaml holds 3 clusters (prod-eu, b, c); next -o json shows one.\n  fix: give a file with one cluster in it\n',
    });
  });
});
