/** The status of one cluster: current activity, next window, and every node. */
import { senderText } from '../../domain/shared/verification';
import type { LiveStatus } from '../../client/live-status';
import type { LiveNode } from '../../domain/explain/explanation';
import { asSentence } from '../../domain/shared/text';
import type { RunSummary } from '../../domain/cluster/messages';
import { isNode, memberNameOf } from '../../domain/cluster/member';
import type { MemberStatus } from '../../domain/cluster/member';
import type { NodeStatus } from '../../domain/node/status';
import { lockAt } from '../../domain/node/status';
import { wrapText } from './columns';
import { countStates } from './counts';
import { FEW_NODES, listedNodes } from './listed';
import type { StatusView } from './member-cells';
import { colorState, errorCell, shownState, stepOf, waitOf } from './member-cells';
import { memberTable } from './member-table';
import { runFields } from './run-fields';
import { blackoutIn } from '../../domain/schedule/window';
import { STATUS_HEAD, statusRow } from './node-groups';
import type { Colors } from './table';
import { renderFields, renderTable } from './table';
import { renderStatusLine } from './status-line';
import { NONE, formatElapsed, formatStart, formatTime, formatWindow, oneLine } from './text';
import { describeWarnings } from './warnings';

const MAX_STUCK = 600;

/** Columns dropped first on a narrow terminal; the last of them are implied by the state. */
const SPARE_COLUMNS = ['Kernel', 'Role', 'Pending', 'Reboot'];

/** `why`: the cluster's explanation of its current activity. */
export function renderStatus(status: LiveStatus, why: string | null, view: StatusView): string {
  const { color, zone } = view;
  const fields = `${renderStatusLine(status.statusLines, view)}\n\n${renderFields(headerFields(status, why, view), color)}`;
  if (status.nodes.length === 0) return fields;
  if (status.type === 'eks') return `${fields}\n\n${nodeGroupTable(status, view)}`;
  const live = liveByName(status);
  const { nodes, note } = shownNodes(status, live, view);
  const shown = { ...status, nodes };
  const table = nodes.length === 0 ? '' : `\n\n${note === null ? nodeTable(shown, view) : shortTable(shown, view)}`;
  const below = [...waitsOf(shown, view.now), ...locksOf(shown, view)];
  return [
    `${fields}${table}`,
    ...(note === null ? [] : [wrapped(note, color)]),
    ...(below.length === 0 ? [] : [below.map((line) => wrapped(line, color)).join('\n')]),
    ...warningsOf(shown, color),
    wrapped(timesNote(zone, color), color),
  ].join('\n\n');
}

function nodeTable(status: LiveStatus, view: StatusView): string {
  const live = liveByName(status);
  const head = [
    ...['Node', 'Role', 'State', 'Last Applied Patch Time', 'Patched Version'],
    ...['Kernel', 'Pending', 'Reboot', 'Last error'],
  ];
  const rows = status.nodes
    .filter(isNode)
    .map((node) => [
      oneLine(node.name),
      node.role,
      stateCell(node, live.get(node.name), view),
      formatTime(node.lastAppliedPatchTime, view.zone),
      oneLine(node.patchedVersion),
      oneLine(node.kernel),
      node.pendingUpdates === null ? NONE : String(node.pendingUpdates),
      rebootCell(node),
      errorCell(node, view.color),
    ]);
  return renderTable(head, rows, view.color, SPARE_COLUMNS);
}

/** What somebody wants to know of the nodes of a large cluster that are listed. */
function shortTable(status: LiveStatus, view: StatusView): string {
  const [head, rows] = memberTable(status.nodes, liveByName(status), view, memberNameOf(status.type));
  return renderTable(head, rows, view.color, ['Elapsed', 'Step']);
}

/** Sentences wrap between words on a terminal. */
function wrapped(text: string, { columns = Infinity }: Colors): string {
  return wrapText(text, columns).join('\n');
}

/** Of a large cluster only the nodes in work, and those that somebody should look at. */
function shownNodes(
  status: LiveStatus,
  live: ReadonlyMap<string, LiveNode>,
  { all = false, now }: StatusView,
): { nodes: MemberStatus[]; note: string | null } {
  const { nodes, cluster } = status;
  if (all || nodes.length <= FEW_NODES) return { nodes, note: null };
  const listed = listedNodes(nodes, live, now);
  const rest = listed.others === 0 ? [] : [`${listed.others} others`];
  const more = [...listed.more, ...rest].join(', ');
  return { nodes: listed.nodes, note: more === '' ? null : `and ${more}; every node: ospatch status ${cluster} --all` };
}

export function liveByName({ current }: LiveStatus): ReadonlyMap<string, LiveNode> {
  return new Map(current.map((live) => [live.node, live]));
}

function warningsOf({ nodes }: LiveStatus, color: Colors): string[] {
  const lines = nodes.flatMap(({ name, warnings }) => describeWarnings(name, warnings, color));
  return lines.length === 0 ? [] : [lines.map((line) => wrapped(line, color)).join('\n')];
}

function locksOf({ nodes }: LiveStatus, { now, zone }: StatusView): string[] {
  return nodes.filter(isNode).flatMap((node) => {
    const lock = lockAt(node, now);
    if (lock === null) return [];
    const until = lock.until === null ? '' : ` until ${formatTime(lock.until, zone)}`;
    const reason = lock.reason === null ? '' : `: ${oneLine(lock.reason)}`;
    return [`${oneLine(node.name)} is locked by ${oneLine(senderText(lock))}${until}${reason}`];
  });
}

/** Of the nodes that are shown. */
function waitsOf({ current, nodes }: LiveStatus, now: number): string[] {
  const shown = new Set(nodes.map(({ name }) => name));
  return current.filter(({ node }) => shown.has(node) || nodes.length === 0).flatMap((one) => describeWait(one, now));
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

function nodeGroupTable(status: LiveStatus, view: StatusView): string {
  const { color, zone, now } = view;
  const live = liveByName(status);
  const groups = status.nodes.filter((row) => row.kind === 'node-group');
  const rows = groups.map((group) =>
    statusRow(group, zone, stateCell(group, live.get(group.name), view), errorCell(group, color)),
  );
  const waits = waitsOf(status, now).map((line) => wrapped(line, color));
  const table = renderTable(STATUS_HEAD, rows, color);
  return [table, ...(waits.length === 0 ? [] : [waits.join('\n')]), wrapped(timesNote(zone, color), color)].join(
    '\n\n',
  );
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

function headerFields(status: LiveStatus, why: string | null, view: StatusView): [string, string][] {
  const { zone } = view;
  const { lastRun, paused, lastRejection } = status;
  const patchable = status.state !== 'not-patchable';
  const state = patchable ? `${status.state}, ${status.ready ? 'ready' : 'not ready'}` : status.state;
  const fields: [string, string][] = [
    ['Cluster', `${oneLine(status.cluster)} (${status.type})`],
    ['State', why === null ? state : `${state}: ${oneLine(why)}`],
  ];
  if (paused !== null) {
    const reason = paused.reason === null ? '' : `: ${oneLine(paused.reason)}`;
    const by = oneLine(senderText(paused));
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
  const blackout = blackoutIn(status.blackouts, view.now);
  if (blackout !== null) {
    fields.push(['Blackout', `until ${formatStart(blackout.end, zone)}: ${oneLine(blackout.reason)}`]);
  }
  if (status.scheduleError !== null) fields.push(['Schedule error', oneLine(status.scheduleError, MAX_STUCK)]);
  fields.push(...runFields(status, view));
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
  if (status.nodes.length > FEW_NODES)
    fields.push([
      status.type === 'eks' ? 'Node groups' : 'Nodes',
      `${status.nodes.length}: ${countStates(status.nodes)}`,
    ]);
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
  return ` by ${oneLine(senderText(sender))}${sender.reason === null ? '' : ` (${oneLine(sender.reason, 500)})`}`;
}

function nextWindow({ nextWindow: next, timeZone, scheduleError, paused }: LiveStatus, zone: string): string {
  if (next === null) return scheduleError === null ? 'none, on demand only' : 'unknown';
  const there = timeZone ?? 'UTC';
  const here = there === zone ? '' : ` = ${formatWindow(next, zone)} ${zone}`;
  return `${formatWindow(next, there)} ${there}${here}${paused === null ? '' : ', will be missed while paused'}`;
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
