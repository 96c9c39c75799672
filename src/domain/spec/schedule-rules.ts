/** Rules across the fields of a schedule. They read the raw document, whatever else is wrong with it. */
import { FORECAST } from '../schedule/forecast-cutoff';
import { GUESSED_PATCH_MS } from '../run/forecast';
import { formatDuration, isDuration, parseDuration } from '../shared/duration';
import { MINUTE_MS } from '../shared/time-units';
import type { SpecIssue, SpecPath } from './issues';
import { show, valueAt } from './issues';

const SCHEDULE: SpecPath = ['patching', 'schedule'];

/** The places of the entries of the schedule: it is one entry, or a list of them. */
export function entryPaths(document: unknown): SpecPath[] {
  const schedule = valueAt(document, SCHEDULE);
  if (!Array.isArray(schedule)) return schedule === undefined ? [] : [SCHEDULE];
  return [...schedule.keys()].map((at) => [...SCHEDULE, at]);
}

export function scheduleIssues(document: unknown): SpecIssue[] {
  return entryPaths(document).flatMap((path) => [...leapDayIssues(document, path), ...lengthIssues(document, path)]);
}

function leapDayIssues(document: unknown, entry: SpecPath): SpecIssue[] {
  const path: SpecPath = [...entry, 'custom'];
  if (valueAt(document, [...path, 'month']) !== 2 || valueAt(document, [...path, 'day']) !== 29) return [];
  const message = 'found February 29, which exists in leap years only; write day: 28 for a start in every year';
  return [{ severity: 'warning', path: [...path, 'day'], at: 'value', message }];
}

function lengthIssues(document: unknown, entry: SpecPath): SpecIssue[] {
  const valueOf = (key: string): unknown => valueAt(document, [...entry, key]);
  const duration = valueOf('duration');
  const cutoff = valueOf('cutoff');
  if (duration === undefined) {
    if (cutoff === undefined) return [];
    const message = `found ${show(cutoff)} without a duration; allowed: a cutoff only with a duration; add duration, or remove cutoff`;
    return [{ severity: 'error', path: [...entry, 'cutoff'], at: 'key', message }];
  }
  const length = lengthOf(duration);
  if (length === null || typeof duration !== 'string') return [];
  const issues: SpecIssue[] = [];
  const error = (key: string, message: string): void => {
    issues.push({ severity: 'error', path: [...entry, key], at: 'value', message });
  };
  const cutoffMs = cutoff === FORECAST ? 0 : (lengthOf(cutoff) ?? 0);
  if (cutoffMs >= length) {
    error(
      'cutoff',
      `found ${show(cutoff)} with a duration of ${duration}, so that no node is ever started; allowed: less than the duration, or ${FORECAST}`,
    );
  }
  if (length >= MINUTE_MS && length < GUESSED_PATCH_MS && (cutoff === undefined || cutoff === FORECAST)) {
    const guess = formatDuration(GUESSED_PATCH_MS);
    const message = `found ${duration}, shorter than the ${guess} that are assumed for a node until nodes of the cluster were patched, so that no node is started in such a window before; set a cutoff, or patch the cluster once with --ignore-window`;
    issues.push({ severity: 'warning', path: [...entry, 'duration'], at: 'value', message });
  }
  const late = lengthOf(valueOf('startWithin'));
  if (late !== null && late > length) {
    error(
      'startWithin',
      `found ${show(valueOf('startWithin'))}, but the window is over after ${duration}; allowed: at most the duration, which is the default`,
    );
  }
  const spread = lengthOf(valueOf('spread'));
  if (spread !== null && cutoffMs < length && spread >= length - cutoffMs) {
    const less = cutoffMs === 0 ? 'the duration' : 'the duration without the cutoff';
    error(
      'spread',
      `found ${show(valueOf('spread'))}, which leaves some clusters no time in a window of ${duration}; allowed: less than ${less}`,
    );
  }
  return issues;
}

/** In milliseconds; null for what is no duration, which the schema reports. */
function lengthOf(value: unknown): number | null {
  return typeof value === 'string' && isDuration(value) ? parseDuration(value) : null;
}
