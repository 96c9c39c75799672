import { renderPath } from '../../../src/domain/spec/issues';
import { timeIssues } from '../../../src/domain/spec/time-checks';
import { specDocument, withSchedule } from './spec-document';

const now = Date.parse('2026-11-23T12:00:00Z');

function issuesOf(document: unknown, isNew = true): string[] {
  return timeIssues(document, { now, isNew }).map(({ path, message }) => `${renderPath(path)}: ${message}`);
}

describe('src/domain/spec/time-checks', () => {
  it.each([
    ['Europe/Berln', 'Europe/Berlin'],
    ['Berlin', 'Europe/Berlin'],
  ])('rejects the zone %s and suggests %s', (timeZone, meant) => {
    const [issue] = issuesOf(specDocument({ patching: { timeZone } }));
    expect(issue).toContain(
      `patching.timeZone: found "${timeZone}", which is not a known time zone; did you mean "${meant}"?`,
    );
  });

  it.each(['UTC', 'Europe/Berlin', 'America/Argentina/Buenos_Aires', 'Etc/GMT+5'])(
    'accepts the zone %s',
    (timeZone) => {
      expect(issuesOf(specDocument({ patching: { timeZone } }))).toEqual([]);
    },
  );

  it.each([
    ['x', '1 field'],
    ['@daily', 'nicknames are not supported'],
    ['0 0 0 * * *', '6 fields'],
    ['0 0 * * MOO', 'the day-of-week field "MOO" is not valid'],
    ['60 0 * * *', 'the minute field "60" is not valid'],
    ['0 0 * * SUN#7', 'the day-of-week field "SUN#7" is not valid'],
    ['0 5-2 * * *', 'the hour field "5-2" is not valid'],
    ['0 0 32 * *', 'the day-of-month field "32" is not valid'],
    ['0 0 * 13 *', 'the month field "13" is not valid'],
    ['0 0 30 2 *', 'no such date exists'],
    ['0 0 31 4,6 *', 'no such date exists'],
  ])('rejects the cron expression %s: %s', (cron, why) => {
    const issues = issuesOf(specDocument({ patching: { schedule: { cron } } }));
    expect(issues).toEqual([expect.stringContaining(`patching.schedule.cron: found "${cron}": ${why}; allowed: `)]);
  });

  it.each([
    '30 2 * * SUN#2',
    '0 0 29 * *',
    '0 0 28,29 2 *',

    '0 0 ? * SUN',
    '0 0 L * *',
    '*/5 1-3 * JAN-MAR MON,TUE',
    '0 0 * * */2',
  ])('accepts the cron expression %s', (cron) => {
    expect(issuesOf(specDocument({ patching: { schedule: { cron } } }))).toEqual([]);
  });

  it.each(['0 0 29 2 *', '*/5 * 29 FEB *', '0 0 29-31 2 *'])('warns that %s exists in leap years only', (cron) => {
    const [issue, ...more] = timeIssues(specDocument({ patching: { schedule: { cron } } }), { now, isNew: true });
    expect([issue, more]).toEqual([
      {
        severity: 'warning',
        path: ['patching', 'schedule', 'cron'],
        at: 'value',
        message: 'found February 29, which exists in leap years only; write day 28 for a start in every year',
      },
      [],
    ]);
  });

  it.each([
    ['0 2 1-7 * 0', '1-7', '0', 'about 10 days', '0 2 * * SUN#1'],
    ['30 4 8-14 */2 mon', '8-14', 'mon', 'about 10 days', '30 4 * */2 MON#2'],
    ['0 2 22-28 * 7', '22-28', '7', 'about 10 days', '0 2 * * SUN#4'],
    ['0 2 13 * FRI', '13', 'FRI', 'about 5 days', '0 2 13 * +FRI'],
    ['0 2 1-7 * MON,TUE', '1-7', 'MON,TUE', 'about 14 days', '0 2 1-7 * +MON,TUE'],
    ['0 2 */2 * SUN', '*/2', 'SUN', 'about 18 days', '0 2 */2 * +SUN'],
  ])('warns that %s starts on days that match either field', (cron, dayOfMonth, dayOfWeek, days, both) => {
    expect(timeIssues(specDocument({ patching: { schedule: { cron } } }), { now, isNew: true })).toEqual([
      {
        severity: 'warning',
        path: ['patching', 'schedule', 'cron'],
        at: 'value',
        message: `found day-of-month ${dayOfMonth} and day-of-week ${dayOfWeek}; either one is enough for a start, so runs start on ${days} of a month; for days that match both, write "${both}"`,
      },
    ]);
    // The suggestion is valid and has no warning.
    expect(issuesOf(specDocument({ patching: { schedule: { cron: both } } }))).toEqual([]);
  });

  it('rejects a single start in the past for a new cluster, and otherwise warns', () => {
    const document = withSchedule('{once: "2026-11-23T12:00"}');
    expect(issuesOf(document)).toEqual([
      expect.stringMatching(/^patching\.schedule\.once: found "2026-11-23T12:00" \(UTC\), which is in the past/),
    ]);
    expect(timeIssues(document, { now, isNew: false })).toEqual([
      expect.objectContaining({
        severity: 'warning',
        message: expect.stringMatching(/in the past, so no further run starts$/),
      }),
    ]);
    expect(issuesOf(withSchedule('{once: "2026-11-23T12:01"}'))).toEqual([]);
  });

  it('reads a single start in its time zone', () => {
    const at = (timeZone: string) => specDocument({ patching: { timeZone, schedule: { once: '2026-11-23T12:30' } } });
    expect(issuesOf(at('UTC'))).toEqual([]);
    expect(issuesOf(at('Europe/Berlin'))).toHaveLength(1);
  });

  it('ignores values of the wrong type', () => {
    expect(issuesOf({ patching: { timeZone: 5, schedule: { cron: 5, once: [] } } })).toEqual([]);
    expect(issuesOf(null)).toEqual([]);
  });
});
