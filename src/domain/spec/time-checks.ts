/** Validation that needs time-zone data, the cron parser or the clock; never part of a workflow. */
import { checkCron, eitherDayOf, isLeapDayCron, startsCloserThan } from '../schedule/cron';
import { instantOfWall } from '../schedule/zone';
import { parseDateTime } from '../shared/dates';
import { HOUR_MS } from '../shared/time-units';
import type { SpecIssue, SpecPath } from './issues';
import { blackoutPaths } from './blackout-section';
import { show, valueAt } from './issues';
import { entryPaths } from './schedule-rules';
import { suggest } from './suggest';

const ZONE: SpecPath = ['patching', 'timeZone'];

/**
 * Reads the raw document and skips values of the wrong type, which the schema reports. `isNew`: the schedule is not in
 * force yet, so a one-time start in the past is an error.
 */
export function timeIssues(document: unknown, options: { now: number; isNew: boolean }): SpecIssue[] {
  const zone = valueAt(document, ZONE) ?? 'UTC';
  return [
    ...zoneIssues(zone, ZONE),
    ...[...entryPaths(document), ...blackoutPaths(document)].flatMap((path) =>
      entryIssues(document, path, zone, options),
    ),
  ];
}

function entryIssues(
  document: unknown,
  path: SpecPath,
  clusterZone: unknown,
  options: { now: number; isNew: boolean },
): SpecIssue[] {
  const valueOf = (key: string): unknown => valueAt(document, [...path, key]);
  const issues: SpecIssue[] = [];
  const own = valueOf('timeZone');
  if (own !== undefined) issues.push(...zoneIssues(own, [...path, 'timeZone']));
  const zone = own ?? clusterZone;
  const cron = valueOf('cron');
  if (typeof cron === 'string' && cron.trim() !== '') {
    issues.push(...cronIssues(cron, [...path, 'cron'], valueOf('duration') !== undefined));
  }
  const once = valueOf('once');
  if (typeof zone === 'string' && isTimeZone(zone) && typeof once === 'string') {
    issues.push(...onceIssues(once, [...path, 'once'], zone, options));
  }
  return issues;
}

/** What is no text, or has another form, is reported by the schema. */
function zoneIssues(zone: unknown, path: SpecPath): SpecIssue[] {
  const isFormed = typeof zone === 'string' && /^[A-Za-z][\w+/-]*$/.test(zone);
  return isFormed && !isTimeZone(zone) ? [zoneIssue(zone, path)] : [];
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

function zoneIssue(zone: string, path: SpecPath): SpecIssue {
  const zones = Intl.supportedValuesOf('timeZone');
  // A common mistake is the city alone, or with another region.
  const city = zone.slice(zone.lastIndexOf('/') + 1).toLowerCase();
  const meant = zones.find((known) => known.toLowerCase().endsWith(`/${city}`)) ?? suggest(zone, zones);
  const hint = meant === null ? '' : `did you mean "${meant}"? `;
  return error(
    path,
    `found ${show(zone)}, which is not a known time zone; ${hint}allowed: an IANA time zone, e.g. Europe/Berlin or UTC`,
  );
}

function cronIssues(cron: string, path: SpecPath, hasDuration: boolean): SpecIssue[] {
  const why = checkCron(cron);
  if (why !== null) return [error(path, `found ${show(cron)}: ${why}`)];
  if (hasDuration && startsCloserThan(cron, HOUR_MS)) {
    return [
      error(
        path,
        `found ${show(cron)} with a duration, and less than an hour between two starts; allowed with a duration: at least an hour between two starts`,
      ),
    ];
  }
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

function onceIssues(
  once: string,
  path: SpecPath,
  zone: string,
  { now, isNew }: { now: number; isNew: boolean },
): SpecIssue[] {
  const wall = parseDateTime(once);
  if (wall === null || instantOfWall(wall, zone) > now) return [];
  const found = `found ${show(once)} (${zone}), which is in the past`;
  if (isNew) return [error(path, `${found}; allowed: a date and time in the future`)];
  return [{ severity: 'warning', path, at: 'value', message: `${found}, so no further run starts` }];
}

function error(path: SpecPath, message: string): SpecIssue {
  return { severity: 'error', path, at: 'value', message };
}
