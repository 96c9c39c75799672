/** One frame of the live display: a heading and a node table that fits the terminal. */
import type { LiveNode, LiveStatus } from '../../client/live-status';
import { memberNameOf } from '../../domain/cluster/member';
import type { MemberStatus } from '../../domain/cluster/member';
import type { NodeState } from '../../domain/node/status';
import type { StatusView } from './status';
import { colorState, countOutcomes, errorCell, liveByName, shownState, stepOf, waitOf } from './status';
import { renderTable } from './table';
import { NONE, formatElapsed, formatStart, oneLine, plural } from './text';

/** In progress, then needing attention, then upcoming, then fine. */
const ORDER: readonly NodeState[] = [
  'patching',
  'failed',
  'not-tried',
  'reboot-pending',
  'restart-pending',
  'skipped',
  'waiting',
  'unknown',
  'patched',
  'up-to-date',
];

/** Heading, empty line, table head, counts, notice, and the cursor line. */
const LINES_AROUND_NODES = 6;
/** The cause of a stuck run, and the remedy. */
const STUCK_LINES = 2;
const FEWEST_ROWS = 3;

export interface LiveView extends StatusView {
  /** Lines of the terminal. */
  height: number;
  /** A message of the display itself, at the bottom. */
  notice: string | null;
}

/** The lines of one frame, not wrapped. */
export function renderFrame(status: LiveStatus, view: LiveView): string[] {
  const { color } = view;
  // The terminal truncates long lines, so that a node takes one line of the frame.
  const oneLineRows = { ...color, columns: undefined };
  const unit = memberNameOf(status.type);
  const nodes = [...status.nodes].sort((a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state));
  const fitting = Math.max(
    FEWEST_ROWS,
    view.height - LINES_AROUND_NODES - (status.stuck === undefined ? 0 : STUCK_LINES),
  );
  const shown = nodes.slice(0, fitting);
  const live = liveByName(status);
  const rows = shown.map((node) => row(node, live.get(node.name), view));
  const hidden = nodes.slice(fitting);
  return [
    heading(status, view),
    '',
    ...(rows.length === 0
      ? []
      : renderTable(
          [unit === 'node' ? 'Node' : 'Node group', 'State', 'Step', 'Elapsed', 'Note'],
          rows,
          oneLineRows,
        ).split('\n')),
    ...(hidden.length === 0 ? [] : [color.dim(`and ${plural(hidden.length, `more ${unit}`)}: ${countStates(hidden)}`)]),
    ...(status.stuck === undefined ? [] : [color.red(`stuck: ${oneLine(status.stuck.message, 600)}`)]),
    ...(status.stuck === undefined ? [] : [`fix: ${oneLine(status.stuck.remedy, 600)}`]),
    ...(view.notice === null ? [] : [color.yellow(view.notice)]),
  ];
}

/** `2 patched, 1 waiting`, worst first. */
export function countStates(nodes: readonly MemberStatus[]): string {
  return ORDER.map((state) => ({ state, count: nodes.filter((node) => node.state === state).length }))
    .filter(({ count }) => count > 0)
    .map(({ state, count }) => `${count} ${state}`)
    .join(', ');
}

function heading(status: LiveStatus, view: LiveView): string {
  const { run, lastRun, paused } = status;
  const name = view.color.bold(oneLine(status.cluster));
  const pausedBy = paused === null ? '' : ` by ${oneLine(paused.by, 60)}`;
  if (run !== null) {
    const went = run.state === 'running' ? '' : `, ${run.state}`;
    const elapsed = formatElapsed(run.startedAt, view.now);
    return `${name}  run ${run.number} (${run.trigger})  ${run.done} of ${plural(run.total, memberNameOf(status.type))}  ${elapsed}${went}${pausedBy === '' ? '' : `, paused${pausedBy}`}`;
  }
  const next = status.nextWindow === null ? '' : `  next ${formatStart(status.nextWindow, view.zone)}`;
  const last = lastRun === null ? '' : `  last run ${lastRun.number} ${lastRun.outcome} (${countOutcomes(lastRun)})`;
  return `${name}  ${status.state}${pausedBy}${next}${last}`;
}

function row(node: MemberStatus, live: LiveNode | undefined, view: LiveView): string[] {
  const state = colorState(shownState(node, view.now), node.state, view.color);
  if (live === undefined) return [oneLine(node.name), state, NONE, NONE, errorCell(node) || rebootNote(node)];
  return [oneLine(node.name), state, stepOf(live), formatElapsed(live.startedAt, view.now), noteOf(live, view.now)];
}

function noteOf(live: LiveNode, now: number): string {
  const wait = waitOf(live, now, 120);
  if (wait !== null) return wait;
  if (live.lastFailure !== null) return `attempt ${live.attempt}: ${oneLine(live.lastFailure, 120)}`;
  return '';
}

function rebootNote({ state }: MemberStatus): string {
  return state === 'reboot-pending' ? 'needs a reboot' : '';
}
