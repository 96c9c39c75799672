/**
 * What a cluster has to tell its targets of notifications, from its state. Reports are data, and only the newest of a run counts:
 * what a report says that was never handed over is in the next one.
 */
import { defined } from '../shared/defined';
import { parseDuration } from '../shared/duration';
import { plainText } from '../shared/text';
import type { RebootReport, Report, RunNotice } from '../notifications/report';
import { isFinal, keyOf, subjectOf } from '../notifications/report';
import { isWantedByAny } from '../notifications/deliveries';
import type { AnyTarget, WorkerTarget } from '../notifications/types';
import { eventsOf } from './events';
import { addReport, named, nextWindowOf, pausedBy, runReport } from './run-report';
import type { Notices } from './run-report';
import { expiryMs } from './run-window';
import { longHold } from './run-held';
import type { ActiveRun, ClusterState } from './state';
import { isPatchable, note } from './state';

const MAX_MESSAGE = 300;

/** A report for the notifier of its subject. */
export interface DueReport {
  subject: string;
  report: Report;
  /** The notifier of the subject has had a report before. */
  isKnown: boolean;
}

/** Who is told. Null: the workers have to be asked for the targets of their file. */
export function targetsOf({ spec, notices }: ClusterState): AnyTarget[] | null {
  if ('notifications' in spec && spec.notifications !== undefined) return spec.notifications;
  return notices?.defaults ?? null;
}

/** Notes what has happened since the last time and is over. Called before {@link dueReports}. */
export function collectNotices(state: ClusterState, now: string): void {
  const notices = (state.notices ??= { seen: state.events.next - 1 });
  for (const event of eventsOf(state.events, 'windows')) {
    if (event.seq <= notices.seen || event.kind !== 'window' || !isMissed(event.result)) continue;
    const { window, result } = event;
    const paused = defined({ paused: pausedBy(state) });
    addReport(state, { kind: 'window', window, result, ...paused, nextWindow: nextWindowOf(state) }, now);
  }
  noteStuck(state, notices, now);
  noteReboots(state, notices, now);
  notices.seen = state.events.next - 1;
}

/** What a worker has answered that was asked for the targets of its file; a text: why it could not name them. */
export function noteTargets(state: ClusterState, answer: WorkerTarget[] | string, now: string): void {
  const notices = (state.notices ??= { seen: state.events.next - 1 });
  if (typeof answer === 'string') {
    notices.unknown = plainText(answer, MAX_MESSAGE);
    note(state, { kind: 'targets-unknown', message: notices.unknown }, now);
  } else {
    notices.defaults = answer;
    delete notices.unknown;
  }
}

/** The reports that no notifier has. `targets`: of {@link targetsOf}; null: the notifiers find out who wants to hear of them. */
export function dueReports(state: ClusterState, targets: readonly AnyTarget[] | null, now: string): DueReport[] {
  const { notices } = state;
  if (notices === undefined) return [];
  const handedOver = notices.handedOver ?? {};
  // A subject has a notifier once somebody wants to hear of it, and then is told of all that comes.
  const isWanted = (report: Report): boolean =>
    targets === null || handedOver[subjectOf(report)] !== undefined || isWantedByAny(targets, report);
  keepPending(notices, isWanted);
  const inProgress = [state.run, state.aside ?? null].flatMap((run) =>
    run === null ? [] : [liveReport(state, run, Date.parse(now))],
  );
  const latest = new Map<string, Report>();
  for (const report of [...inProgress, ...(notices.pending ?? [])]) latest.set(subjectOf(report), report);
  return [...latest]
    .filter(([subject, report]) => handedOver[subject] !== keyOf(report) && isWanted(report))
    .map(([subject, report]) => ({ subject, report, isKnown: handedOver[subject] !== undefined }));
}

/** The notifier of the subject has the report. */
export function noteHandedOver({ notices }: ClusterState, { subject, report }: DueReport): void {
  if (notices === undefined) return;
  const handedOver = { ...notices.handedOver };
  if (isFinal(report)) {
    delete handedOver[subject];
    keepPending(notices, (one) => subjectOf(one) !== subject);
  } else handedOver[subject] = keyOf(report);
  if (Object.keys(handedOver).length === 0) delete notices.handedOver;
  else notices.handedOver = handedOver;
}

function keepPending(notices: Notices, isKept: (report: Report) => boolean): void {
  const kept = (notices.pending ?? []).filter(isKept);
  if (kept.length === 0) delete notices.pending;
  else notices.pending = kept;
}

/** When a reboot or a held run has to be reported by then, after `nowMs`; null: none will. Epoch milliseconds. */
export function nextReminderMs(state: ClusterState, nowMs: number): number | null {
  const { notices, run } = state;
  if (notices === undefined) return null;
  const hears = targetsOf(state)?.some(({ on }) => on.includes('run-blocked')) === true;
  const heldAtMs = run === null || !hears ? null : (longHold(state, run)?.toldAtMs ?? null);
  const due = remindersOf(state).flatMap((after) => {
    const reminded = notices.reminded?.[after] ?? -Infinity;
    return pendingReboots(state)
      .map(({ sinceMs }) => sinceMs + parseDuration(after))
      .filter((at) => at > reminded);
  });
  if (heldAtMs !== null && heldAtMs > nowMs) due.push(heldAtMs);
  return due.length === 0 ? null : Math.min(...due);
}

function noteReboots(state: ClusterState, notices: Notices, now: string): void {
  const nowMs = Date.parse(now);
  for (const after of remindersOf(state)) {
    const dueAt = (sinceMs: number): number => sinceMs + parseDuration(after);
    const overdue = pendingReboots(state).filter(({ sinceMs }) => dueAt(sinceMs) <= nowMs);
    const reminded = notices.reminded?.[after] ?? -Infinity;
    const [first, last] = [overdue[0], overdue.at(-1)];
    if (first === undefined || last === undefined || !overdue.some(({ sinceMs }) => dueAt(sinceMs) > reminded))
      continue;
    notices.reminded = { ...notices.reminded, [after]: nowMs };
    const { spec } = state;
    const report: RebootReport = {
      ...{ kind: 'reboot', after, nodes: named(overdue.map(({ name }) => name)) },
      since: new Date(first.sinceMs).toISOString(),
      newest: new Date(last.sinceMs).toISOString(),
      reboots: spec.type === 'self-managed' && spec.patching.rebootIfRequired,
      ...defined({ paused: pausedBy(state) }),
      nextWindow: nextWindowOf(state),
    };
    addReport(state, report, now);
  }
}

/** The durations after which targets want to be told of reboots. */
function remindersOf(state: ClusterState): string[] {
  const filters = (targetsOf(state) ?? []).flatMap(({ on }) => on);
  const durations = filters.flatMap((one) => (typeof one === 'string' ? [] : [one['reboot-pending-for']]));
  return [...new Set(durations)];
}

/** Nodes that wait for their reboot, those that have waited longest first. */
function pendingReboots({ nodes }: ClusterState): { name: string; sinceMs: number }[] {
  return nodes
    .flatMap(({ name, state, stateSince }) =>
      state === 'reboot-pending' && stateSince !== undefined ? [{ name, sinceMs: Date.parse(stateSince) }] : [],
    )
    .sort((one, other) => one.sinceMs - other.sinceMs);
}

function noteStuck(state: ClusterState, notices: Notices, now: string): void {
  const { loopError, schedule } = state;
  const cause = loopError === undefined ? ('windows' as const) : ('loop' as const);
  const message = loopError ?? schedule.error ?? null;
  if (message === null) {
    delete notices.stuck;
    return;
  }
  if (notices.stuck === cause) return;
  notices.stuck = cause;
  addReport(state, { kind: 'stuck', at: now, cause, message: plainText(message, MAX_MESSAGE) }, now);
}

/** A blackout is no surprise to anybody. */
function isMissed(result: string): boolean {
  return result.startsWith('missed') && !result.startsWith('missed (blackout');
}

function liveReport(state: ClusterState, run: ActiveRun, nowMs: number): RunNotice {
  const report = runReport(state, run, nowMs);
  const { waits } = report;
  if (waits === undefined || !isPatchable(state.spec)) return report;
  // Whatever started it.
  const hasAge = waits.kind === 'budget' || (waits.kind === 'held' && waits.limit.startsWith('alerts'));
  const expires = expiryMs(state.spec, run, hasAge);
  return expires === null ? report : { ...report, expiresAt: new Date(expires).toISOString() };
}
