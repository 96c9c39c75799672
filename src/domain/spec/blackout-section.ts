/** Blackouts in a spec: their schema, normal form and rules. */
import { z } from 'zod';
import { parseDateTime } from '../shared/dates';
import { defined } from '../shared/defined';
import * as field from './fields';
import type { SpecIssue, SpecPath } from './issues';
import { show, valueAt } from './issues';
import { MAX_BLACKOUTS } from './types';
import type { Blackout } from './types';

/** A blackout has exactly one of these keys. */
export const BLACKOUT_KINDS = ['from', 'cron', 'ical'] as const;

export const BLACKOUT_FORMAT = 'a mapping with from, to and reason; with cron, duration and reason; or with ical';
export const BLACKOUT_LIST_FORMAT = `a list of 1 to ${MAX_BLACKOUTS} blackouts`;

const LOCAL_FORMAT = 'a local date and time without offset, written YYYY-MM-DDTHH:MM, e.g. 2026-12-24T00:00';

const localTime = z
  .string({ error: LOCAL_FORMAT })
  .refine((value) => parseDateTime(value) !== null, { error: LOCAL_FORMAT });

const why = field.reason.describe('Why nothing may be started, for status and history.');
const timeZone = field.timeZone.optional().describe('IANA time zone of the blackout. Default: patching.timeZone.');

/** One schema per kind, so that a mistake is explained for the intended kind. */
export const blackoutKinds = {
  from: z.strictObject({
    from: localTime.describe('Begin, a local date and time (YYYY-MM-DDTHH:MM, no offset).'),
    to: localTime.describe('End, a local date and time, which is not part of the blackout.'),
    reason: why,
    timeZone,
  }),
  cron: z.strictObject({
    cron: field.cronExpression.describe('Begin of each blackout, five cron fields on the wall clock of its time zone.'),
    duration: field.duration('1m', '31d').describe('How long each blackout is, 1m to 31d of elapsed time.'),
    reason: why,
    timeZone,
  }),
  ical: z.strictObject({
    ical: field.calendarFile.describe(
      "Name of an iCalendar file in the worker's calendar directory (OSPATCH_CALENDAR_DIR), never a path; each of its events is a blackout.",
    ),
    reason: field.reason
      .optional()
      .describe('Why nothing may be started, for status and history. Default: the summary of each event.'),
  }),
};

export const blackoutsSchema = z
  .array(z.union([blackoutKinds.from, blackoutKinds.cron, blackoutKinds.ical]), { error: BLACKOUT_LIST_FORMAT })
  .min(1, { error: BLACKOUT_LIST_FORMAT })
  .max(MAX_BLACKOUTS, { error: BLACKOUT_LIST_FORMAT });

export function normaliseBlackouts(blackouts: z.output<typeof blackoutsSchema>, clusterZone: string): Blackout[] {
  return blackouts.map((blackout) => {
    if ('ical' in blackout) return { ical: blackout.ical, ...defined({ reason: blackout.reason }) };
    const zone = defined({ timeZone: blackout.timeZone === clusterZone ? undefined : blackout.timeZone });
    if ('cron' in blackout) {
      const { cron, duration } = blackout;
      return { cron: cron.trim().replace(/\s+/g, ' '), duration, reason: blackout.reason, ...zone };
    }
    const [from, to] = [blackout.from.replace(' ', 'T'), blackout.to.replace(' ', 'T')];
    return { from, to, reason: blackout.reason, ...zone };
  });
}

const BLACKOUTS: SpecPath = ['patching', 'blackouts'];

/** The places of the blackouts in a raw document. */
export function blackoutPaths(document: unknown): SpecPath[] {
  const blackouts = valueAt(document, BLACKOUTS);
  return Array.isArray(blackouts) ? [...blackouts.keys()].map((at) => [...BLACKOUTS, at]) : [];
}

export function blackoutIssues(document: unknown): SpecIssue[] {
  return blackoutPaths(document).flatMap((path): SpecIssue[] => {
    const [from, to] = ['from', 'to'].map((key) => valueAt(document, [...path, key]));
    const [begin, end] = [from, to].map((text) => (typeof text === 'string' ? parseDateTime(text) : null));
    if (begin === null || end === null || begin === undefined || end === undefined || end > begin) return [];
    const message = `found ${show(to)}, which is not after ${show(from)}; allowed: a time after from`;
    return [{ severity: 'error', path: [...path, 'to'], at: 'value', message }];
  });
}
