import { z } from 'zod';
import { MAX_SCHEDULE_ENTRIES, PRESETS } from './types';
import type { Preset } from './types';
import { FORECAST } from '../schedule/forecast-cutoff';
import { MONTHS, formatDate, longestMonth, parseDate, parseDateTime, weekdayOf } from '../shared/dates';
import { DURATION_FORMAT } from '../shared/duration';
import { DAY_MS } from '../shared/time-units';
import { choice, cronExpression, duration as durationField, timeZone as zoneField, wholeNumber } from './fields';

/** A schedule has exactly one of these keys. */
export const SCHEDULE_KINDS = ['preset', 'custom', 'cron', 'once'] as const;

const DATE_FORMAT = 'a date that exists, written YYYY-MM-DD';
const ONCE_FORMAT = 'a local date and time without offset, written YYYY-MM-DDTHH:MM, e.g. 2027-03-01T02:30';

const startWithin = durationField('1m', '30d')
  .optional()
  .describe(
    'How late a run may still start when no worker was running at the start time. A start missed by more is recorded as missed. Default: the duration; without one 1h for weekly and every-2-weeks, 24h for everything else.',
  );

const spread = durationField('1m', '24h')
  .optional()
  .describe(
    'Spreads starts over this time: each cluster starts later by a constant share of it, derived from the name of the cluster. For many clusters that share a schedule. The end of a window stays where it is. Default: every start is exact to the minute.',
  );

const duration = durationField('1m', '7d', 'leave it out for runs without an end')
  .optional()
  .describe(
    'How long a window is, in elapsed time: after it no node is started, and the run goes on in the next window. Default: runs have no end.',
  );

const cutoffFormat = `${FORECAST}, or ${DURATION_FORMAT}, from 1m to 7d`;

const cutoff = z
  .union([z.literal(FORECAST), durationField('1m', '7d')], { error: cutoffFormat })
  .optional()
  .describe(
    'When no more node is started, with a duration. forecast: when the patch of the next node would not end within the window, judged by earlier patches. A duration: this long before the end of the window. Default: forecast.',
  );

const timeZone = zoneField.optional().describe('IANA time zone of this entry. Default: patching.timeZone.');

const options = { startWithin, spread, duration, cutoff, timeZone };

const anchor = z
  .string({ error: DATE_FORMAT })
  .superRefine((value, context) => {
    const date = parseDate(value);
    if (date === null) {
      context.addIssue({ code: 'custom', message: noSuchDate(value, DATE_FORMAT) });
      return;
    }
    if (weekdayOf(date) === 'Sunday') return;
    const sunday = formatDate(date + (7 - new Date(date).getUTCDay()) * DAY_MS);
    context.addIssue({
      code: 'custom',
      message: `found "${value}", a ${weekdayOf(date)}; allowed: a Sunday, e.g. ${sunday}`,
    });
  })
  .optional()
  .describe('For every-2-weeks: the Sunday (YYYY-MM-DD) of the first start. Default: counted from 2024-01-07.');

const preset = z
  .strictObject(
    {
      preset: choice(PRESETS).describe(
        'weekly: every Sunday. every-2-weeks: every second Sunday from the anchor. monthly: the 1st of each month. every-2-months: the 1st of January, March, May, July, September and November. Always at local midnight.',
      ),
      anchor,
      ...options,
    },
    { error: 'a mapping with preset' },
  )
  .superRefine((value, context) => {
    if (value.anchor === undefined || value.preset === 'every-2-weeks') return;
    const message = `found an anchor for preset ${value.preset}; allowed: an anchor only with preset every-2-weeks; remove it`;
    context.addIssue({ code: 'custom', path: ['anchor'], message });
  });

const customDate = z
  .strictObject(
    {
      month: wholeNumber(1, 12).describe('Month, 1 to 12.'),
      day: wholeNumber(1, 31).describe('Day of the month. February 29 means leap years only.'),
      hour: wholeNumber(0, 23).describe('Hour on the wall clock, 0 to 23.'),
      minute: wholeNumber(0, 59).describe('Minute, 0 to 59.'),
    },
    { error: 'a mapping with month, day, hour and minute' },
  )
  .superRefine((value, context) => {
    const longest = longestMonth(value.month);
    if (value.day <= longest) return;
    const month = MONTHS[value.month - 1] ?? '';
    const message = `found ${month} ${value.day}, which does not exist; allowed: a day from 1 to ${longest} in ${month}`;
    context.addIssue({ code: 'custom', path: ['day'], message });
  });

const once = z
  .string({ error: ONCE_FORMAT })
  .superRefine((value, context) => {
    if (parseDateTime(value) === null) context.addIssue({ code: 'custom', message: noSuchDate(value, ONCE_FORMAT) });
  })
  .describe('One start, at this local date and time (YYYY-MM-DDTHH:MM, no offset).');

/** One schema per kind, so that a mistake is explained for the intended kind. */
export const scheduleKinds = {
  preset,
  custom: z.strictObject({
    custom: customDate.describe('A start at this month, day, hour and minute of every year.'),
    ...options,
  }),
  cron: z.strictObject({
    cron: cronExpression.describe(
      'Five cron fields (minute hour day-of-month month day-of-week) on the wall clock of timeZone; names, ranges, steps, SUN#2 (second Sunday) and L (last) are supported.',
    ),
    ...options,
  }),
  once: z.strictObject({ once, ...options }),
};

const presetName = choice(PRESETS).transform((name: Preset) => ({ preset: name }));

const entries = [
  presetName,
  scheduleKinds.preset,
  scheduleKinds.custom,
  scheduleKinds.cron,
  scheduleKinds.once,
] as const;

export const SCHEDULE_LIST_FORMAT = `a list of 1 to ${MAX_SCHEDULE_ENTRIES} entries`;

export const scheduleSchema = z.union([
  ...entries,
  z
    .array(z.union(entries), { error: SCHEDULE_LIST_FORMAT })
    .min(1, { error: SCHEDULE_LIST_FORMAT })
    .max(MAX_SCHEDULE_ENTRIES, { error: SCHEDULE_LIST_FORMAT }),
]);

/** Distinguishes a nonexistent date from a malformed one. */
function noSuchDate(value: string, form: string): string {
  const date = value.slice(0, 10);
  const wellFormed = /^\d{4}-\d{2}-\d{2}$/.test(date);
  return wellFormed && parseDate(date) === null
    ? `found ${JSON.stringify(value)}, a date that does not exist; allowed: ${form}`
    : form;
}
