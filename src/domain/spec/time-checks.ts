/** Validation that needs time-zone data, the cron parser or the clock; never part of a workflow. */
import { checkCron, eitherDayOf, isLeapDayCron } from '../schedule/cron';
import { instantOfWall } from '../schedule/zone';
import { parseDateTime } from '../shared/dates';
import type { SpecIssue, SpecPath } from './issues';
import { show, valueAt } from './issues';
import { suggest } from './suggest';

const ZONE: SpecPath = ['patching', 'timeZone'];
const SCHEDULE: SpecPath = ['patching', 'schedule'];

/**
 * Reads the raw document and skips values of the wrong type, which the schema reports. `isNew`: the schedule is not in
 * force yet, so a one-time start in the past is an error.
 */
export function timeIssues(document: unknown, options: { now: number; isNew: boolean }): SpecIssue[] {
  const zone = valueAt(document, ZONE) ?? 'UTC';
  const issues: SpecIssue[] = [];
  const zoneKnown = typeof zone === 'string' && isTimeZone(zone);
  if (typeof zone === 'string' && /^[A-Za-z][\w+/-]*$/.test(zone) && !zoneKnown) issues.push(zoneIssue(zone));
  const cron = valueAt(document, [...SCHEDULE, 'cron']);
  if (typeof cron === 'string' && cron.trim() !== '') issues.push(...cronIssues(cron));
  const once = valueAt(document, [...SCHEDULE, 'once']);
  if (zoneKnown && typeof once === 'string') issues.push(...onceIssues(once, zone, options));
  return issues;
}

/** Zones known to exist, cached because creating a formatter takes some hundred microseconds. */
const knownZones = new Set<string>();

/** Whether the text is an IANA time zone; an offset such as `+02:00` is not one. */
export function isTimeZone(zone: string): boolean {
  if (knownZones.has(zone)) return true;
  if (!/^[A-Za-z]/.test(zone)) return false;
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: zone });
  } catch {
    return false;
  }
  knownZones.add(zone);
  return true;
}

function zoneIssue(zone: string): SpecIssue {
  const zones = Intl.supportedValuesOf('timeZone');
  // A common mistake is the city alone, or with another region.
  const city = zone.slice(zone.lastIndexOf('/') + 1).toLowerCase();
  const meant = zones.find((known) => known.toLowerCase().endsWith(`/${city}`)) ?? suggest(zone, zones);
  const hint = meant === null ? '' : `did you mean "${meant}"? `;
  return error(
    ZONE,
    `found ${show(zone)}, which is not a known time zone; ${hint}allowed: an IANA time zone, e.g. Europe/Berlin or UTC`,
  );
}

function cronIssues(cron: string): SpecIssue[] {
  const why = checkCron(cron);
  const path: SpecPath = [...SCHEDULE, 'cron'];
  if (why !== null) return [error(path, `found ${show(cron)}: ${why}`)];
  const warnings = cronWarnings(cron);
  return warnings.map((message) => ({ severity: 'warning', path, at: 'value', message }));
}

/** Warnings about cron expressions whose meaning is easily misread. */
export function cronWarnings(cron: string): string[] {
  const found: string[] = [];
  if (isLeapDayCron(cron)) {
    found.push('found February 29, which exists in leap years only; write day 28 for a start in every year');
  }
  const either = eitherDayOf(cron);
  if (either !== null) {
    const { dayOfMonth, dayOfWeek, daysPerMonth, both } = either;
    const days = daysPerMonth === 1 ? '1 day' : `${daysPerMonth} days`;
    found.push(
      `found day-of-month ${dayOfMonth} and day-of-week ${dayOfWeek}; either one is enough for a start, so runs start on about ${days} of a month; for days that match both, write "${both}"`,
    );
  }
  return found;
}

function onceIssues(once: string, zone: string, { now, isNew }: { now: number; isNew: boolean }): SpecIssue[] {
  const wall = parseDateTime(once);
  if (wall === null || instantOfWall(wall, zone) > now) return [];
  const path: SpecPath = [...SCHEDULE, 'once'];
  const found = `found ${show(once)} (${zone}), which is in the past`;
  if (isNew) return [error(path, `${found}; allowed: a date and time in the future`)];
  return [{ severity: 'warning', path, at: 'value', message: `${found}, so no further run starts` }];
}

function error(path: SpecPath, message: string): SpecIssue {
  return { severity: 'error', path, at: 'value', message };
}
