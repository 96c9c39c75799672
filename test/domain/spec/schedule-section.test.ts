import { issuesOf, specOf, withSchedule } from './spec-document';

const entryForms =
  'weekly, every-2-weeks, monthly, every-2-months, or a mapping with exactly one of preset, custom, cron, once';
const scheduleForms = `${entryForms}, or a list of 1 to 20 entries`;

describe('src/domain/spec/schedule-section', () => {
  describe('schedules', () => {
    it.each([
      [
        'fortnightly',
        `patching.schedule: found "fortnightly"; did you mean "every-2-weeks"? allowed: ${scheduleForms}`,
      ],
      ['weeky', `patching.schedule: found "weeky"; did you mean "weekly"? allowed: ${scheduleForms}`],
      ['null', `patching.schedule: found nothing; allowed: ${scheduleForms}; remove the key for on demand only`],
      ['{}', `patching.schedule: found an empty mapping; allowed: ${scheduleForms}`],
      ['{preset: weekly, cron: x}', `patching.schedule: found a mapping with preset, cron; allowed: ${scheduleForms}`],
      [
        '{presett: weekly}',
        `patching.schedule: found a mapping with presett; did you mean "preset"? allowed: ${scheduleForms}`,
      ],
      [
        '{preset: weekly, startwithin: 1h}',
        'patching.schedule.startwithin: unknown key; did you mean "startWithin"? allowed: preset, anchor, startWithin, spread, duration, cutoff, timeZone',
      ],
      [
        '{preset: every-2-weeks, anchor: 2026-11-30}',
        'patching.schedule.anchor: found "2026-11-30", a Monday; allowed: a Sunday, e.g. 2026-12-06',
      ],
      [
        '{preset: every-2-weeks, anchor: 2026-02-30}',
        'patching.schedule.anchor: found "2026-02-30", a date that does not exist; allowed: a date that exists, written YYYY-MM-DD',
      ],
      [
        '{preset: weekly, anchor: 2026-11-29}',
        'patching.schedule.anchor: found an anchor for preset weekly; allowed: an anchor only with preset every-2-weeks; remove it',
      ],
      [
        '{custom: {month: 2, day: 30, hour: 2, minute: 30}}',
        'patching.schedule.custom.day: found February 30, which does not exist; allowed: a day from 1 to 29 in February',
      ],
      [
        '{custom: {month: 4, day: 31, hour: 2, minute: 30}}',
        'patching.schedule.custom.day: found April 31, which does not exist; allowed: a day from 1 to 30 in April',
      ],
      [
        '{custom: {month: 4, day: 1, hour: 2, minute: 30, second: 5}}',
        'patching.schedule.custom.second: unknown key; allowed: month, day, hour, minute',
      ],
      [
        '{cron: "0 2 * * *", year: 2027}',
        'patching.schedule.year: unknown key; allowed: cron, startWithin, spread, duration, cutoff, timeZone',
      ],
      [
        '{custom: {month: 4, day: 1, hour: 24, minute: 30}}',
        'patching.schedule.custom.hour: found 24; allowed: a whole number from 0 to 23',
      ],
      [
        '{once: "2027-02-29T02:30"}',
        'patching.schedule.once: found "2027-02-29T02:30", a date that does not exist; allowed: a local date and time without offset, written YYYY-MM-DDTHH:MM, e.g. 2027-03-01T02:30',
      ],
      [
        '{once: "2027-03-01T02:30Z"}',
        'patching.schedule.once: found "2027-03-01T02:30Z"; allowed: a local date and time without offset, written YYYY-MM-DDTHH:MM, e.g. 2027-03-01T02:30',
      ],
      [
        '[{preset: weekly, duration: 30s}]',
        'patching.schedule[0].duration: found "30s"; allowed: a duration with a unit, e.g. 90s, 30m, 1h30m or 2d, from 1m to 7d; leave it out for runs without an end',
      ],
      [
        '[weekly, {cron: "0 2 * * *", duration: 8d}]',
        'patching.schedule[1].duration: found "8d"; allowed: a duration with a unit, e.g. 90s, 30m, 1h30m or 2d, from 1m to 7d; leave it out for runs without an end',
      ],
      ['[weekly, weeky]', `patching.schedule[1]: found "weeky"; did you mean "weekly"? allowed: ${entryForms}`],
      ['[]', 'patching.schedule: found an empty list; allowed: a list of 1 to 20 entries'],
      [`[${'weekly, '.repeat(21)}]`, 'patching.schedule: found 21 entries; allowed: a list of 1 to 20 entries'],
      [
        '{preset: weekly, cutoff: 30m}',
        'patching.schedule.cutoff: found "30m" without a duration; allowed: a cutoff only with a duration; add duration, or remove cutoff',
      ],
      [
        '{preset: weekly, duration: 4h, cutoff: soon}',
        'patching.schedule.cutoff: found "soon"; allowed: forecast, or a duration with a unit, e.g. 90s, 30m, 1h30m or 2d, from 1m to 7d',
      ],
      [
        '{preset: weekly, duration: 4h, cutoff: 4h}',
        'patching.schedule.cutoff: found "4h" with a duration of 4h, so that no node is ever started; allowed: less than the duration, or forecast',
      ],
      [
        '{preset: weekly, duration: 4h, startWithin: 5h}',
        'patching.schedule.startWithin: found "5h", but the window is over after 4h; allowed: at most the duration, which is the default',
      ],
      [
        '{preset: weekly, duration: 4h, cutoff: 3h, spread: 1h}',
        'patching.schedule.spread: found "1h", which leaves some clusters no time in a window of 4h; allowed: less than the duration without the cutoff',
      ],
      [
        '[weekly, {preset: weekly, timeZone: "Europe Berlin"}]',
        'patching.schedule[1].timeZone: found "Europe Berlin"; allowed: an IANA time zone, e.g. Europe/Berlin or UTC',
      ],
    ])('%s', (yaml, expected) => {
      expect(issuesOf(withSchedule(yaml))).toEqual([expected]);
    });

    it('warns of a window in which nothing is started before something was patched', () => {
      const [warning, ...others] = issuesOf(withSchedule('{preset: weekly, duration: 15m}'));
      expect(warning).toMatch(
        /^warning: patching\.schedule\.duration: found 15m, shorter than the 20m that are assumed/,
      );
      expect(others).toEqual([]);
      expect(issuesOf(withSchedule('{preset: weekly, duration: 15m, cutoff: 5m}'))).toEqual([]);
      expect(issuesOf(withSchedule('{preset: weekly, duration: 20m}'))).toEqual([]);
    });

    it('accepts February 29 with a warning about leap years', () => {
      const document = withSchedule('{custom: {month: 2, day: 29, hour: 2, minute: 30}}');
      expect(specOf(document).type).toBe('self-managed');
      expect(issuesOf(document)).toEqual([
        'warning: patching.schedule.custom.day: found February 29, which exists in leap years only; write day: 28 for a start in every year',
      ]);
    });
  });
});
