/** The status of one cluster: current activity, next window, and every node. */
import type { LiveNode, LiveStatus } from '../../client/live-status';
import { asSentence } from '../../domain/shared/text';
import type { RunSummary } from '../../domain/cluster/messages';
import { isNode, memberNameOf } from '../../domain/cluster/member';
import type { MemberStatus } from '../../domain/cluster/member';
import type { NodeState, NodeStatus } from '../../domain/node/status';
import { lockAt } from '../../domain/node/status';
import { STATUS_HEAD, statusRow } from './node-groups';
import type { Colors } from './table';
import { renderFields, renderTable } from './table';
import { NONE, formatElapsed, formatStart, formatTime, oneLine, plural } from './text';
import { describeWarnings } from './warnings';

export interface StatusView {
  now: number;
  /** Time zone of the user. */
  zone: string;
  color: Colors;
}

const MAX_ERROR = 120;
const MAX_STUCK = 600;

/** Columns dropped first on a narrow terminal; the last of them are implied by the state. */
const SPARE_COLUMNS = ['Kernel', 'Role', 'Pending', 'Reboot'];

/** `why`: the cluster's explanation of its current activity. */
export function renderStatus(status: LiveStatus, why: string | null, view: StatusView): string {
  const { color, zone } = view;
  const fields = renderFields(headerFields(status, why, view), color);
  if (status.nodes.length === 0) return fields;
  if (status.type === 'eks') return `${fields}\n\n${nodeGroupTable(status, view)}`;
  const head = [
    ...['Node', 'Role', 'State', 'Last Applied Patch Time', 'Patched Version'],
    ...['Kernel', 'Pending', 'Reboot', 'Last error'],
  ];
  const live = liveByName(status);
  const rows = status.nodes
    .filter(isNode)
    .map((node) => [
      oneLine(node.name),
      node.role,
      stateCell(node, live.get(node.name), view),
      formatTime(node.lastAppliedPatchTime, zone),
      oneLine(node.patchedVersion, 60),
      oneLine(node.kernel, 40),
      node.pendingUpdates === null ? NONE : String(node.pendingUpdates),
      rebootCell(node),
      errorCell(node),
    ]);
  return `${fields}\n\n${renderTable(head, rows, color, SPARE_COLUMNS)}${waitsOf(status, view.now)}${locksOf(status, view)}${warningsOf(status, color)}\n\n${timesNote(zone, color)}`;
}

export function liveByName({ current }: LiveStatus): ReadonlyMap<string, LiveNode> {
  return new Map(current.map((live) => [live.node, live]));
}

function warningsOf({ nodes }: LiveStatus, color: Colors): string {
  const lines = nodes.flatMap(({ name, warnings }) => describeWarnings(name, warnings, color));
  return lines.length === 0 ? '' : `\n\n${lines.join('\n')}`;
}

function locksOf({ nodes }: LiveStatus, { now, zone }: StatusView): string {
  const lines = nodes.filter(isNode).flatMap((node) => {
    const lock = lockAt(node, now);
    if (lock === null) return [];
    const until = lock.until === null ? '' : ` until ${formatTime(lock.until, zone)}`;
    const reason = lock.reason === null ? '' : `: ${oneLine(lock.reason, 200)}`;
    return [`${oneLine(node.name)} is locked by ${oneLine(lock.by)}${until}${reason}`];
  });
  return lines.length === 0 ? '' : `\n\n${lines.join('\n')}`;
}

function waitsOf({ current }: LiveStatus, now: number): string {
  const waits = current.flatMap((one) => describeWait(one, now));
  return waits.length === 0 ? '' : `\n\n${waits.join('\n')}`;
}

/**
 * `w-1 drain 12/40 pods, waiting 3m20s for shop/web-1: the budget ...` and further pods; empty for a node that does not
 * wait.
 */
function describeWait(live: LiveNode, now: number): string[] {
  const wait = waitOf(live, now);
  if (wait === null) return [];
  const others = live.blocked.slice(1).map(({ namespace, name, why, since }) => {
    const pod = `${oneLine(namespace)}/${oneLine(name)}: ${oneLine(why)}`;
    return `  ${pod}, for ${formatElapsed(since, now)}`;
  });
  return [`${oneLine(live.node)} ${stepOf(live)}, ${wait}`, ...others];
}

/** `waiting 3h20m (20h40m left) for ...`, with the times first, so that truncation keeps them. */
export function waitOf(live: LiveNode, now: number, max?: number): string | null {
  const { waitingFor, waitingSince, waitingUntil } = live;
  if (waitingFor === null) return null;
  const elapsed = waitingSince === null ? '' : ` ${formatElapsed(waitingSince, now)}`;
  const left =
    waitingUntil === null ? '' : ` (${formatElapsed(new Date(now).toISOString(), Date.parse(waitingUntil))} left)`;
  return `waiting${elapsed}${left} for ${oneLine(waitingFor, max)}`;
}

function nodeGroupTable(status: LiveStatus, view: StatusView): string {
  const { color, zone, now } = view;
  const live = liveByName(status);
  const groups = status.nodes.filter((row) => row.kind === 'node-group');
  const rows = groups.map((group) =>
    statusRow(group, zone, stateCell(group, live.get(group.name), view), errorCell(group)),
  );
  return `${renderTable(STATUS_HEAD, rows, color)}${waitsOf(status, now)}\n\n${timesNote(zone, color)}`;
}

function timesNote(zone: string, color: Colors): string {
  return color.dim(`Times are in ${zone}; set TZ for another zone.`);
}

/** Counts of a run, e.g. `3 patched, 1 failed`; outcomes without nodes are omitted. */
export function countOutcomes(run: RunSummary): string {
  const counts: [number, string][] = [
    [run.patched, 'patched'],
    [run.upToDate, 'up-to-date'],
    [run.restartPending, 'restart-pending'],
    [run.rebootPending, 'reboot-pending'],
    [run.failed, 'failed'],
    [run.skipped, 'skipped'],
    [run.cancelled, 'cancelled'],
    [run.notTried, 'not tried'],
  ];
  const parts = counts.filter(([count]) => count > 0).map(([count, word]) => `${count} ${word}`);
  const counted = parts.length === 0 ? 'no nodes' : parts.join(', ');
  if (run.error === undefined) return counted;
  const reason = oneLine(run.error.message, 500);
  // For a run that has not started, the reason is sufficient.
  return run.notTried === run.total ? reason : `${counted}: ${reason}`;
}

/** `apply 3/12`, `drain 4/40 pods`, `reboot`, `waiting`; what the node in work does at this moment. */
export function stepOf(live: LiveNode): string {
  if (live.state === 'waiting')
    return `waiting for ${oneLine(live.heldBy ?? 'another run', 120)} to finish on this node`;
  if (live.step === null) return 'starting';
  if (live.total === null) return live.step;
  if (live.step === 'drain') return `drain ${live.done ?? 0}/${live.total} pods`;
  return live.step === 'apply' ? `apply ${live.done ?? 0}/${live.total}` : live.step;
}

export function colorState(state: string, kind: NodeState, color: Colors): string {
  switch (kind) {
    case 'failed':
      return color.red(state);
    case 'not-tried':
    case 'reboot-pending':
    case 'restart-pending':
    case 'skipped':
      return color.yellow(state);
    case 'patching':
      return color.cyan(state);
    case 'patched':
    case 'up-to-date':
      return color.green(state);
    case 'waiting':
    case 'unknown':
      return state;
  }
}

export function errorCell({ lastError }: MemberStatus): string {
  return lastError === null ? '' : `${lastError.type}: ${oneLine(lastError.message, MAX_ERROR)}`;
}

function headerFields(status: LiveStatus, why: string | null, view: StatusView): [string, string][] {
  const { zone } = view;
  const { run, lastRun, paused, lastRejection } = status;
  const patchable = status.state !== 'not-patchable';
  const state = patchable ? `${status.state}, ${status.ready ? 'ready' : 'not ready'}` : status.state;
  const fields: [string, string][] = [
    ['Cluster', `${oneLine(status.cluster)} (${status.type})`],
    ['State', why === null ? state : `${state}: ${oneLine(why)}`],
  ];
  if (paused !== null) {
    const reason = paused.reason === null ? '' : `: ${oneLine(paused.reason)}`;
    const by = oneLine(paused.by);
    const at = formatTime(paused.at, zone);
    const since = paused.since === undefined ? null : formatTime(paused.since, zone);
    fields.push([
      'Paused',
      `${since === null ? `by ${by} since ${at}` : `since ${since}, last by ${by} at ${at}`}${reason}`,
    ]);
  }
  if (patchable) fields.push(['Next window', nextWindow(status, zone)]);
  if (status.loopError !== null) fields.push(['Error', oneLine(status.loopError)]);
  if (status.reset !== null) fields.push(['Reset', oneLine(status.reset, MAX_STUCK)]);
  if (status.scheduleError !== null) fields.push(['Schedule error', oneLine(status.scheduleError)]);
  if (run !== null) {
    const went = run.state === 'running' ? 'running' : run.state;
    const nodes = `${run.done} of ${plural(run.total, memberNameOf(status.type))} done`;
    fields.push([
      'Run',
      `${run.number} (${run.trigger}), ${went} for ${formatElapsed(run.startedAt, view.now)}, ${nodes}`,
    ]);
  }
  if (status.stuck !== undefined) {
    fields.push(['Stuck', asSentence(oneLine(status.stuck.message, MAX_STUCK))]);
    fields.push(['Fix', oneLine(status.stuck.remedy, MAX_STUCK)]);
  }
  if (lastRun !== null) {
    const ended = formatTime(lastRun.endedAt, zone);
    fields.push([
      'Last run',
      `${lastRun.number} (${lastRun.trigger}) ${lastRun.outcome}${cancelledBy(lastRun)} at ${ended}: ${countOutcomes(lastRun)}`,
    ]);
  }
  if (lastRejection !== null) {
    const { request, by, at, message: reason } = lastRejection;
    fields.push([
      'Last refusal',
      `${oneLine(request)} by ${oneLine(by)} at ${formatTime(at, zone)}: ${oneLine(reason, 500)}`,
    ]);
  }
  return fields;
}

/** Who cancelled the run and why. */
export function cancelledBy({ cancelledBy: sender }: Pick<RunSummary, 'cancelledBy'>): string {
  if (sender === undefined) return '';
  return ` by ${oneLine(sender.by)}${sender.reason === null ? '' : ` (${oneLine(sender.reason, 500)})`}`;
}

function nextWindow({ nextWindow: next, timeZone, scheduleError, paused }: LiveStatus, zone: string): string {
  if (next === null) return scheduleError === null ? 'none, on demand only' : 'unknown';
  const there = timeZone ?? 'UTC';
  const here = there === zone ? '' : ` = ${formatStart(next, zone)} ${zone}`;
  return `${formatStart(next, there)} ${there}${here}${paused === null ? '' : ', will be missed while paused'}`;
}

/** `patched`, or `patched, locked`. */
export function shownState(node: MemberStatus, now: number): string {
  return isNode(node) && lockAt(node, now) !== null ? `${node.state}, locked` : node.state;
}

function stateCell(node: MemberStatus, live: LiveNode | undefined, { color, now }: StatusView): string {
  const boot = isNode(node) && node.bootPatch === 'pending' && node.state !== 'patching' ? ' (boot patch pending)' : '';
  return colorState(
    live === undefined ? `${shownState(node, now)}${boot}` : `${node.state} (${stepOf(live)})`,
    node.state,
    color,
  );
}

function rebootCell({ rebootRequired }: NodeStatus): string {
  return rebootRequired === null ? NONE : rebootRequired ? 'required' : 'no';
}
