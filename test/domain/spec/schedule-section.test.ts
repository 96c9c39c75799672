import { issuesOf, specOf, withSchedule } from './spec-document';

const scheduleForms =
  'weekly, every-2-weeks, monthly, every-2-months, or a mapping with exactly one of preset, custom, cron, once';

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
        'patching.schedule.startwithin: unknown key; did you mean "startWithin"? allowed: preset, anchor, startWithin, spread',
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
      ['{cron: "0 2 * * *", year: 2027}', 'patching.schedule.year: unknown key; allowed: cron, startWithin, spread'],
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
    ])('%s', (yaml, expected) => {
      expect(issuesOf(withSchedule(yaml))).toEqual([expected]);
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
