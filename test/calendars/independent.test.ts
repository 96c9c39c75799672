/** Series in calendar files against another implementation of recurrence rules (RFC 5545). */
import * as fc from 'fast-check';
import { RRule } from 'rrule';
import { periodsIn } from '../../src/calendars/periods';

const FROM = Date.UTC(2026, 10, 1);
const TO = Date.UTC(2027, 10, 1);

const FREQUENCIES = ['DAILY', 'WEEKLY', 'MONTHLY', 'YEARLY'] as const;

const rules = fc
  .record({
    freq: fc.constantFrom(...FREQUENCIES),
    interval: fc.integer({ min: 1, max: 3 }),
    byday: fc.uniqueArray(fc.constantFrom('MO', 'TU', 'WE', 'TH', 'FR', 'SA', 'SU'), { maxLength: 3 }),
    month: fc.option(fc.integer({ min: 1, max: 12 })),
    count: fc.option(fc.integer({ min: 1, max: 500 })),
  })
  .map(({ freq, interval, byday, month, count }) =>
    [
      `FREQ=${freq}`,
      `INTERVAL=${interval}`,
      ...(byday.length > 0 && freq !== 'YEARLY' ? [`BYDAY=${byday.join(',')}`] : []),
      // Months that the interval skips: the library of the product finds too many occurrences then.
      ...(month === null || freq === 'WEEKLY' || interval > 1 ? [] : [`BYMONTH=${month}`]),
      ...(count === null ? [] : [`COUNT=${count}`]),
    ].join(';'),
  );

describe('src/calendars/periods against another implementation', () => {
  it('finds the same occurrences of a series', async () => {
    await fc.assert(
      fc.asyncProperty(
        rules,
        fc.date({ min: new Date('2023-01-01'), max: new Date('2027-06-01'), noInvalidDate: true }),
        async (rule, date) => {
          // In months without such a day the library of the product takes the next day.
          fc.pre(date.getUTCDate() <= 28);
          const whole = new Date(Math.floor(date.getTime() / 1_000) * 1_000);
          // What a begin means that the rule does not match is not defined.
          const begin =
            new RRule({ ...RRule.parseString(rule), dtstart: whole, count: null }).after(whole, true) ?? whole;
          fc.pre(begin.getUTCDate() <= 28);
          const stamp = begin.toISOString().replace(/[-:]|\.000/g, '');
          const expected = new RRule({ ...RRule.parseString(rule), dtstart: begin })
            .between(new Date(FROM - 3_600_000 + 1), new Date(TO - 1), true)
            .map((start) => start.toISOString());
          const text = [
            ...['BEGIN:VCALENDAR', 'VERSION:2.0', 'PRODID:x', 'BEGIN:VEVENT', 'UID:1', `DTSTART:${stamp}`],
            ...['DURATION:PT1H', `RRULE:${rule}`, 'SUMMARY:x', 'END:VEVENT', 'END:VCALENDAR', ''],
          ].join('\r\n');
          const found = await periodsIn(text, { timeZone: 'UTC', from: FROM, to: TO });
          expect(found.map(({ start }) => new Date(start).toISOString())).toEqual(expected);
        },
      ),
      { numRuns: 150 },
    );
  }, 60_000);
});
