import { activityInfo, getClient } from '@temporalio/activity';
import { WorkflowNotFoundError } from '@temporalio/client';
import { CALENDAR_AHEAD_MS } from '../calendars/periods';
import { readCalendar } from '../calendars/read-calendar';
import { calendarAhead } from '../domain/schedule/ahead';
import type { CalendarFiles } from '../domain/schedule/blackouts';
import type { CalendarAhead } from '../domain/schedule/window';
import { namesFiles } from '../domain/cluster/schedule-state';
import { DAY_MS } from '../domain/shared/time-units';
import { runWorkflowId } from '../contract/workflow-ids';
import type {
  AuditRecord,
  ClusterActivities,
  FirstSpecVerdict,
  NextWindowsInput,
  SpecVerdict,
} from '../contract/activities/cluster';
import { canonicalJson } from '../domain/shared/canonical-json';
import { plainText } from '../domain/shared/text';
import { hostKeyProblems } from '../domain/trust/spec-host-keys';
import { isPatchable } from '../domain/cluster/state';
import { validateSpecObject } from '../domain/spec/parse';
import type { ClusterSpec } from '../domain/spec/types';
import { checkState } from './check-state';
import { toApplicationFailure } from './errors';
import { AdmissionDesk } from './admission';
import type { AdmissionRules } from './admission-rules';
import { NO_RULES } from './admission-rules';
import { oversized } from './input/object';
import { awaitNodePatches, awaitWorkflowClosed, cancelChildren } from './node-patches';
import { rememberSearchAttributes } from './search-attributes';
import { foldProblemLines } from '../domain/spec/fold-problems';
import { specTooLarge } from '../domain/spec/size';
import { storedBytes } from '../encryption/compression';
import { WorkflowEnds } from './workflow-ends';

/** Limits on reported problems: a document that is not a spec may have one in every line. */
const MAX_PROBLEMS = 50;
const MAX_PROBLEM_CHARS = 1_000;

/** Receives audit lines: one JSON object each. */
export interface AuditLog {
  info(fields: Record<string, unknown>, message: string): void;
}

/**
 * `ends`: the waits for other workflows; closed by the caller. `calendarDir`: the directory of the calendar files that
 * blackouts name; null: there is none. `rules`: what is required of those who ask for something.
 */
export function createClusterActivities(
  audit: AuditLog,
  ends = new WorkflowEnds(),
  calendarDir: string | null = null,
  rules: AdmissionRules = NO_RULES,
): Omit<ClusterActivities, 'explainPolicy'> {
  const desk = new AdmissionDesk(rules, audit);
  const searchAttributes = rememberSearchAttributes();
  return {
    nextWindows: (input: NextWindowsInput) => Promise.resolve(nextWindows(input)),
    nextWindowsByFiles: (input) => nextWindowsByFiles(calendarDir, input),
    checkSpec: (input) => Promise.resolve(checkSpec(input.spec)),
    checkFirstSpec: async ({ spec, after, count, request }): Promise<FirstSpecVerdict> => {
      const admission = await desk.admit(request);
      if (!admission.ok) return { admission, ok: false, problems: [] };
      const verdict = checkSpec(spec);
      if (!verdict.ok) return { admission, ...verdict };
      const ahead = firstAhead(verdict.spec ?? (spec as ClusterSpec), after, count);
      return { admission, ...verdict, ahead, searchAttributes: await searchAttributes() };
    },
    admit: (request) => desk.admit(request),
    checkState: ({ state, cluster }) => {
      const tooMuch = oversized(state);
      if (tooMuch !== null) return Promise.resolve({ ok: false, isNewer: false, problems: [`the state ${tooMuch}`] });
      return Promise.resolve(checkState(state, cluster, Date.now(), checkSpec));
    },
    searchAttributes,
    recordAudit: (record: AuditRecord) => {
      audit.info(
        { ...record.result, audit: 'node-patch', cluster: record.cluster, trigger: record.trigger },
        'node patch',
      );
      return Promise.resolve(record.result);
    },
    lastRun,
    awaitNodePatches: (patches) => awaitNodePatches(ends, patches),
    cancelChildren,
    awaitWorkflowClosed: (workflowId) => awaitWorkflowClosed(ends, workflowId),
  };
}

/** So many numbers in a row are looked at at once; a cluster gives away fewer to requests that came to nothing. */
const NUMBERS_AT_ONCE = 20;

async function lastRun({ cluster, createdAt, after }: Parameters<ClusterActivities['lastRun']>[0]): Promise<number> {
  const { workflow } = getClient();
  const isThere = async (number: number): Promise<boolean> => {
    try {
      await workflow.getHandle(runWorkflowId(cluster, createdAt, number)).describe();
      return true;
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return false;
      throw error;
    }
  };
  for (let last = after; ;) {
    const numbers = Array.from({ length: NUMBERS_AT_ONCE }, (_, at) => last + 1 + at);
    const there = await Promise.all(numbers.map(isThere));
    const found = there.lastIndexOf(true);
    if (found < 0) return last;
    last = numbers[found] ?? last;
  }
}

function nextWindows(input: NextWindowsInput, files: CalendarFiles = new Map()): CalendarAhead {
  const { since, after, now, count, ...calendar } = input;
  const [sinceMs, afterMs, nowMs] = [since, after, now].map((time) => Date.parse(time)) as [number, number, number];
  return calendarAhead(calendar, { sinceMs, afterMs, nowMs, count, files });
}

/** Windows that have begun may be cut by blackouts of that time. */
const CALENDAR_BACK_MS = 40 * DAY_MS;

async function nextWindowsByFiles(calendarDir: string | null, input: NextWindowsInput): Promise<CalendarAhead> {
  try {
    const { timeZone, blackouts } = input;
    const now = Date.parse(input.now);
    const range = { timeZone, from: Date.parse(input.after) - CALENDAR_BACK_MS, to: now + CALENDAR_AHEAD_MS };
    const names = new Set(blackouts.flatMap((blackout) => ('ical' in blackout ? [blackout.ical] : [])));
    const files: [string, Awaited<ReturnType<typeof readCalendar>>][] = [];
    // One after the other: each may be large.
    for (const name of names) files.push([name, await readCalendar(calendarDir, name, range)]);
    return nextWindows(input, new Map(files));
  } catch (error) {
    throw toApplicationFailure(error, activityInfo().attempt);
  }
}

/**
 * Null when it cannot be computed here, which must not prevent the start of the cluster: the cluster computes it itself,
 * reports the error and retries.
 */
function firstAhead(spec: ClusterSpec, after: string, count: number): CalendarAhead | null {
  if (!isPatchable(spec) || namesFiles(spec)) return null;
  const { schedule = [], timeZone, blackouts = [] } = spec.patching;
  if (schedule.length === 0 && blackouts.length === 0) return null;
  try {
    return nextWindows({ cluster: spec.name, schedule, timeZone, blackouts, since: after, after, now: after, count });
  } catch {
    return null;
  }
}

/**
 * Validates a spec with the rules of `ospatch apply`, whoever sent it. An already normalised spec is omitted from the
 * result, because the history contains it already.
 */
function checkSpec(spec: unknown): SpecVerdict {
  const tooMuch = oversized(spec);
  if (tooMuch !== null) return refused([`the document ${tooMuch}`]);
  const checked = validateSpecObject(spec);
  if (!checked.ok) return refused(checked.problems);
  const tooLarge = specTooLarge(checked.spec, storedBytes(checked.spec));
  if (tooLarge !== null) return refused([tooLarge]);
  const untrusted = hostKeyProblems(checked.spec);
  if (untrusted.length > 0) return refused(untrusted);
  return { ok: true, spec: canonicalJson(checked.spec) === canonicalJson(spec) ? null : checked.spec };
}

function refused(each: readonly string[]): SpecVerdict {
  const all = foldProblemLines(each);
  const problems = all.slice(0, MAX_PROBLEMS).map((problem) => plainText(problem, MAX_PROBLEM_CHARS));
  const more = all.length - problems.length;
  return { ok: false, problems: more > 0 ? [...problems, `and ${more} more problems`] : problems };
}
