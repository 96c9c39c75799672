/**
 * The status of a cluster in one sentence: what is wrong or what is next, since when, and the command for it. Nothing that
 * needs a person is left out because something else is in order.
 */
import { senderText } from '../shared/verification';
import { defined } from '../shared/defined';
import type { ClusterStatus, QueuedRun, RunStatus } from '../cluster/messages';
import { isNode, memberNameOf } from '../cluster/member';
import type { MemberStatus } from '../cluster/member';
import { describeHold, someOf } from '../run/describe-hold';
import { isUnsuccessful } from '../run/run';
import { isoSecond } from '../shared/dates';
import type { LiveNode, StatusLine } from './explanation';
import { forReason, line } from './explanation';
import { countMembers, lostLines, memberLines } from './members-at-rest';

/** What a status line is derived from: the status as the cluster knows it, with more where a client has more. */
export type StatusSubject = ClusterStatus & {
  /** What the cluster does, and why. */
  explanation: string;
  current?: readonly LiveNode[];
  stuck?: { message: string; remedy: string };
};

/** Lines that are printed after the first one. */
const MAX_MORE = 5;

/** Queued runs with a line each. */
const MAX_QUEUED = 3;

/** At least one, what weighs most first. Times inside a line are ISO 8601. */
export function statusLines(status: StatusSubject, nowMs: number): StatusLine[] {
  const faults = faultLines(status);
  if (status.state === 'removing' || status.state === 'not-patchable') return [...faults, ...endLines(status)];
  const lines = [
    ...faults,
    ...decisionLines(status),
    ...lostLines(status, (name) => status.current?.find(({ node }) => node === name)?.waitingSince ?? null),
    ...pauseLines(status),
    ...runLines(status),
    ...lastRunLines(status),
    ...memberLines(status, nowMs),
    ...bootLines(status),
    ...queuedLines(status),
  ];
  return lines.length > 0 ? lines : [restLine(status, nowMs)];
}

/**
 * `w-2 failed: no route to host, since 2027-03-07T02:00:05Z; next: ospatch patch demo --nodes w-2`, and what else there is
 * in short. For the `explain` query.
 */
export function describeStatus(lines: readonly StatusLine[]): string {
  const [first, ...rest] = lines;
  if (first === undefined) return '';
  const [next] = first.change;
  const more = moreLines(rest);
  return `${describeLine(first)}${next === undefined ? '' : `; next: ${next}`}${more === null ? '' : `; also: ${more}`}`;
}

/** `w-2 failed: no route to host, since 2027-03-07T02:00:05Z` */
export function describeLine({ what, because, since, until }: StatusLine): string {
  const begun = since === null ? '' : `, since ${isoSecond(Date.parse(since))}`;
  const end = until === null ? '' : `, until ${isoSecond(Date.parse(until))}`;
  return `${what}: ${because}${begun}${end}`;
}

/** What the lines are about, in short; null without lines. */
export function moreLines(lines: readonly StatusLine[]): string | null {
  if (lines.length === 0) return null;
  const rest = lines.length - MAX_MORE;
  return [...lines.slice(0, MAX_MORE).map(({ what }) => what), ...(rest > 0 ? [`${rest} more`] : [])].join('; ');
}

/** The message about a stuck cluster names the cluster and the fault again. */
export function stuckLine(cluster: string, { message, remedy }: { message: string; remedy: string }): StatusLine {
  const because = message.replace(`cluster ${cluster} is stuck, because `, '');
  return line('error', 'stuck', `${cluster} is stuck`, because, { change: [remedy] });
}

function faultLines({ cluster, stuck, loopError, reset, scheduleError }: StatusSubject): StatusLine[] {
  return [
    ...(stuck === undefined ? [] : [stuckLine(cluster, stuck)]),
    ...(loopError === null
      ? []
      : [
          line('error', 'fault', `${cluster} does not go on`, loopError, {
            change: ['see the log of the worker'],
          }),
        ]),
    ...(reset === null
      ? []
      : [
          line('error', 'reset', `the status of ${cluster} is not up to date`, reset, {
            change: [`ospatch resume ${cluster}`, `ospatch patch ${cluster}`],
          }),
        ]),
    ...(scheduleError === null
      ? []
      : [
          line('error', 'schedule-error', `${cluster} starts no run by schedule`, scheduleError, {
            change: [`ospatch get ${cluster}, correct patching.schedule, then ospatch apply -f FILE`],
          }),
        ]),
  ];
}

function endLines({ cluster, state, explanation }: StatusSubject): StatusLine[] {
  return state === 'removing'
    ? [line('active', 'removing', `${cluster} is being removed`, explanation)]
    : [line('ok', 'not-patchable', `${cluster} is not patched`, explanation)];
}

/** A run that has spent its failure budget goes on only when somebody says how. */
function decisionLines({ cluster, run, nodes, type }: StatusSubject): StatusLine[] {
  const detail = run?.detail;
  if (run === null || detail?.hold?.kind !== 'budget' || detail.limits.onExceeded === 'stop') return [];
  // It has been decided, and the run has not gone on yet, for example because the cluster is paused.
  if (detail.failures <= detail.limits.maxFailures) return [];
  const failed = nodes.filter(({ state }) => state === 'failed').map(({ name }) => name);
  const node = failed[0] ?? 'NODE';
  const names = failed.length === 0 ? '' : ` (${someOf(failed)})`;
  return [
    line(
      'error',
      'budget',
      `run ${run.number} waits for a decision`,
      `${describeHold(detail.hold, memberNameOf(type))}${names}`,
      {
        since: detail.holdSince ?? null,
        change: [
          `ospatch retry ${cluster} ${node}`,
          `ospatch skip ${cluster} ${node}`,
          `ospatch set-max-failures ${cluster} N`,
          `ospatch cancel ${cluster}`,
        ],
      },
    ),
  ];
}

function pauseLines({ cluster, paused, run, nextWindow }: StatusSubject): StatusLine[] {
  if (paused === null) return [];
  const what = run === null ? `${cluster} is paused` : `${cluster} is paused, and run ${run.number} with it`;
  const missed =
    nextWindow === null ? '' : `; its window of ${isoSecond(Date.parse(nextWindow.start))} is missed unless resumed`;
  return [
    line('warning', 'paused', what, `by ${senderText(paused)}${forReason(paused.reason)}${missed}`, {
      since: paused.since ?? paused.at,
      change: [`ospatch resume ${cluster}`],
    }),
  ];
}

function runLines(status: StatusSubject): StatusLine[] {
  const { cluster, run, paused, explanation, nextWindow } = status;
  if (run === null) return [];
  const done = progressOf(status, run);
  const watch = [`ospatch status ${cluster} --watch`];
  if (run.state === 'cancelling') {
    const what = `run ${run.number} is being cancelled`;
    const [, more] = explanation.split(`${what}; `);
    return [line('active', 'cancelling', what, more === undefined ? done : `${done}; ${more}`, { change: watch })];
  }
  if (run.state === 'suspended') {
    const times = { since: run.detail?.holdSince ?? null, until: nextWindow?.start ?? null };
    const what = `run ${run.number} is suspended after ${run.done} of ${run.total}`;
    const because = withoutStart(explanation, `${what}: `);
    return nextWindow === null
      ? [line('warning', 'window', what, because, { ...times, change: [`ospatch cancel ${cluster}`] })]
      : [line('active', 'window', what, because, times)];
  }
  // Paused, it has no line of its own.
  if (run.state === 'paused' && (paused !== null || run.detail?.hold?.kind === 'budget')) return [];
  const isListing = run.total === 0 && status.type === 'eks';
  return [
    line('active', 'in-work', `run ${run.number} (${run.trigger}) is in progress`, isListing ? explanation : done, {
      since: run.startedAt,
      change: watch,
    }),
  ];
}

function progressOf(status: StatusSubject, { done, total, detail }: RunStatus): string {
  const failures = detail === undefined || detail.failures === 0 ? '' : `, ${detail.failures} failed`;
  const hold = detail?.hold ?? null;
  const isNews = hold !== null && hold.kind !== 'in-flight' && hold.kind !== 'concurrency' && hold.kind !== 'budget';
  const held = isNews ? `; ${describeHold(hold, memberNameOf(status.type))}` : '';
  return `${done} of ${countMembers(status, total)} done${failures}${held}`;
}

/** A run that did not get through, until a later one has. */
function lastRunLines({ cluster, run, lastRun, type }: StatusSubject): StatusLine[] {
  if (run !== null || lastRun === null || !isUnsuccessful(lastRun.outcome)) return [];
  const { number, outcome, failed, notTried, total, cancelledBy, error, endedAt } = lastRun;
  const isCancelled = outcome === 'cancelled';
  const what =
    isCancelled || outcome === 'stopped'
      ? `run ${number} was ${outcome}`
      : `run ${number} ${outcome === 'failed' ? 'failed' : 'has expired'}`;
  const by = cancelledBy === undefined ? '' : `by ${senderText(cancelledBy)}${forReason(cancelledBy.reason)}, `;
  const counts = `${failed} failed and ${notTried} not tried of ${countMembers({ type }, total)}`;
  return [
    line(isCancelled ? 'warning' : 'error', 'run-ended', what, error?.message ?? `${by}${counts}`, {
      since: endedAt,
      change: [error?.remedy ?? `ospatch history ${cluster} --run ${number}`, `ospatch patch ${cluster}`],
    }),
  ];
}

/** New nodes whose boot patch has not begun. */
function bootLines({ cluster, nodes, run, paused, explanation }: StatusSubject): StatusLine[] {
  const names = nodes.filter(isOwedBootPatch).map(({ name }) => name);
  if (names.length === 0) return [];
  const what = `the boot patch of ${someOf(names)} has not begun`;
  if (run !== null) return [line('active', 'boot-patch-pending', what, `run ${run.number} has not ended`)];
  if (paused !== null)
    return [
      line('warning', 'boot-patch-pending', what, `${cluster} is paused`, { change: [`ospatch resume ${cluster}`] }),
    ];
  return [line('warning', 'boot-patch-pending', what, explanation)];
}

function isOwedBootPatch(node: MemberStatus): boolean {
  return isNode(node) && node.bootPatch === 'pending' && node.state !== 'waiting' && node.state !== 'patching';
}

function queuedLines(status: StatusSubject): StatusLine[] {
  const { cluster } = status;
  const change = [`ospatch cancel ${cluster}`];
  const queued = status.queued.filter(({ state }) => state !== 'cancelled');
  const rest = queued.slice(MAX_QUEUED);
  return [
    ...queued.slice(0, MAX_QUEUED).map((one, at) => {
      const what = one.state === 'set-aside' ? `run ${one.run} is set aside` : `run ${one.run} is queued`;
      return line('active', 'queued', what, whyQueued(status, one, at === 0), { since: one.requestedAt, change });
    }),
    ...(rest.length === 0
      ? []
      : [line('active', 'queued', `${rest.length} more runs are queued`, 'they wait for their turn', { change })]),
  ];
}

function whyQueued({ run, paused, explanation }: StatusSubject, one: QueuedRun, isFirst: boolean): string {
  // The cluster says what the first one waits for.
  if (isFirst && run === null && paused === null) return withoutStart(explanation, `run ${one.run}, `);
  const by =
    one.by === null
      ? ''
      : `${one.state === 'set-aside' ? 'started' : 'requested'} by ${senderText({ ...one, by: one.by })}${forReason(one.reason)}; `;
  const waits =
    one.after !== null
      ? `run ${one.after} has to end first`
      : paused !== null
        ? 'the cluster is paused'
        : 'it waits for its turn';
  const end = one.expiresAt === undefined ? '' : `; it expires at ${one.expiresAt}`;
  return `${by}${waits}${end}`;
}

function withoutStart(text: string, start: string): string {
  return text.startsWith(start) ? text.slice(start.length) : text;
}

/** Nothing needs anybody. */
function restLine(status: StatusSubject, nowMs: number): StatusLine {
  const { cluster, nodes, lastRun, nextWindow } = status;
  const patch = `ospatch patch ${cluster}`;
  const isKnown = nodes.length > 0 && nodes.every(({ state }) => state === 'patched' || state === 'up-to-date');
  const unread = nodes.filter(({ state }) => state === 'unknown').length;
  const what = isKnown
    ? nodes.length === 1
      ? `the ${memberNameOf(status.type)} of ${cluster} is up to date`
      : `all ${countMembers(status, nodes.length)} are up to date`
    : lastRun === null
      ? `${cluster} has had no run yet`
      : unread > 0
        ? `${unread} of ${countMembers(status, nodes.length)} ${unread === 1 ? 'has' : 'have'} had no run yet`
        : `nothing is in progress in ${cluster}`;
  const noted = nodes.filter(({ warnings }) => warnings.length > 0).length;
  const warnings = noted === 0 ? '' : `; ${countMembers(status, noted)} ${noted === 1 ? 'has' : 'have'} warnings`;
  if (nextWindow === null)
    return line('ok', 'no-schedule', what, `nothing starts before a run is requested${warnings}`, { change: [patch] });
  const start = isoSecond(Date.parse(nextWindow.start));
  const because =
    Date.parse(nextWindow.start) <= nowMs ? `its window of ${start} has begun` : `the next window opens at ${start}`;
  return line('ok', 'next-window', what, `${because}${warnings}`, defined({ change: isKnown ? undefined : [patch] }));
}
