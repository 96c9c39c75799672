/** One frame of the live display: a heading, how far the run is, and a node table, within the size of the terminal. */
import type { LiveStatus } from '../../client/live-status';
import { memberNameOf } from '../../domain/cluster/member';
import { memberTable } from './member-table';
import { cutLine, wrapText } from './columns';
import { STATE_ORDER, countStates } from './counts';
import { budgetOf, endOf, inWorkOf, nextOf, percentOf, withBar } from './run-fields';
import type { StatusView } from './member-cells';
import { countOutcomes, liveByName } from './status';
import { renderTable } from './table';
import { formatElapsed, formatStart, oneLine, plural } from './text';

/** Empty line, table head, counts, and the cursor line. */
const LINES_AROUND_NODES = 4;
const FEWEST_ROWS = 3;
/** Below this height, the nodes come before the details of the run. */
const HEIGHT_FOR_DETAILS = 16;

export interface LiveView extends StatusView {
  /** Lines of the terminal. */
  height: number;
  /** A message of the display itself, at the bottom. */
  notice: string | null;
}

/** The lines of one frame, none longer than the terminal is wide. */
export function renderFrame(status: LiveStatus, view: LiveView): string[] {
  const { color } = view;
  const width = color.columns ?? Infinity;
  const unit = memberNameOf(status.type);
  const top = [heading(status, view), ...detailLines(status, view)].flatMap((line) => wrapText(line, width));
  const bottom = [
    ...(status.stuck === undefined ? [] : [color.red(`stuck: ${oneLine(status.stuck.message, 600)}`)]),
    ...(status.stuck === undefined ? [] : [`fix: ${oneLine(status.stuck.remedy, 600)}`]),
    ...(view.notice === null ? [] : [color.yellow(view.notice)]),
  ].flatMap((line) => wrapText(line, width));
  const nodes = [...status.nodes].sort((a, b) => STATE_ORDER.indexOf(a.state) - STATE_ORDER.indexOf(b.state));
  const fitting = Math.max(FEWEST_ROWS, view.height - LINES_AROUND_NODES - top.length - bottom.length);
  const hidden = nodes.slice(fitting);
  const live = liveByName(status);
  const [head, rows] = memberTable(nodes.slice(0, fitting), live, view, unit);
  // A node takes one line of the frame.
  const oneLineRows = { ...color, columns: undefined };
  return [
    ...top,
    '',
    ...(rows.length === 0 ? [] : renderTable(head, rows, oneLineRows).split('\n')).map((line) => cutLine(line, width)),
    ...(hidden.length === 0
      ? []
      : [color.dim(cutLine(`and ${plural(hidden.length, `more ${unit}`)}: ${countStates(hidden)}`, width))]),
    ...bottom,
  ];
}

function detailLines(status: LiveStatus, view: LiveView): string[] {
  const { run } = status;
  if (run === null || view.height < HEIGHT_FOR_DETAILS) return [];
  const { detail } = run;
  if (detail === undefined) return [];
  const next = nextOf(status, detail, view);
  const end = endOf(status, view.zone);
  return [
    withBar(run, percentOf(run), view.color.columns ?? Infinity),
    [inWorkOf(detail), `failures: ${budgetOf(detail)}`, ...(end === null ? [] : [end])].join('; '),
    ...(next === null ? [] : [`next: ${next}`]),
  ];
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
  const next = status.nextWindow === null ? '' : `  next ${formatStart(status.nextWindow.start, view.zone)}`;
  const last = lastRun === null ? '' : `  last run ${lastRun.number} ${lastRun.outcome} (${countOutcomes(lastRun)})`;
  return `${name}  ${status.state}${pausedBy}${next}${last}`;
}
