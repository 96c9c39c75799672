/** One frame of the live display: a heading, how far the run is, and a node table, within the size of the terminal. */
import { senderText } from '../../domain/shared/verification';
import type { LiveStatus } from '../../client/live-status';
import { memberNameOf } from '../../domain/cluster/member';
import type { MemberStatus } from '../../domain/cluster/member';
import { memberTable } from './member-table';
import { cutLine, wrapText } from './columns';
import { STATE_ORDER, countStates } from './counts';
import { budgetOf, endOf, inWorkOf, nextOf, percentOf, withBar } from './run-fields';
import type { StatusView } from './member-cells';
import { countOutcomes, liveByName } from './status';
import { renderStatusLine } from './status-line';
import { renderTable } from './table';
import { formatElapsed, formatStart, oneLine } from './text';
import { plural } from '../../domain/shared/plural';

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
  /** Name of the node that is marked and kept in view. Absent: none. */
  selected?: string;
  /** Lines below all others. */
  footer?: readonly string[];
}

/** The nodes as the display lists them: what needs attention first. */
export function nodesInOrder({ nodes }: LiveStatus): MemberStatus[] {
  return [...nodes].sort((a, b) => STATE_ORDER.indexOf(a.state) - STATE_ORDER.indexOf(b.state));
}

/** The lines of one frame, none longer than the terminal is wide. */
export function renderFrame(status: LiveStatus, view: LiveView): string[] {
  const { color } = view;
  const width = color.columns ?? Infinity;
  const unit = memberNameOf(status.type);
  const top = topLines(
    [heading(status, view), ...troubleLines(status, view), ...detailLines(status, view)],
    view,
    width,
  );
  const bottom = [
    ...(status.stuck === undefined ? [] : [color.red(`stuck: ${oneLine(status.stuck.message, 600)}`)]),
    ...(status.stuck === undefined ? [] : [`fix: ${oneLine(status.stuck.remedy, 600)}`]),
    ...(view.notice === null ? [] : [color.yellow(view.notice)]),
  ].flatMap((line) => wrapText(line, width));
  const footer = view.footer ?? [];
  const nodes = nodesInOrder(status);
  const fitting = Math.max(FEWEST_ROWS, view.height - LINES_AROUND_NODES - top.length - bottom.length - footer.length);
  const first = Math.max(0, nodes.findIndex(({ name }) => name === view.selected) - fitting + 1);
  const shown = nodes.slice(first, first + fitting);
  const hidden = [...nodes.slice(0, first), ...nodes.slice(first + fitting)];
  const live = liveByName(status);
  const [head, rows] = memberTable(shown, live, view, unit);
  const [marks, marked] = withMarks(
    head,
    rows,
    view.selected === undefined ? null : shown.findIndex(({ name }) => name === view.selected),
  );
  // A node takes one line of the frame.
  const oneLineRows = { ...color, columns: undefined };
  return [
    ...top,
    '',
    ...(rows.length === 0 ? [] : renderTable(marks, marked, oneLineRows).split('\n')).map((line) =>
      cutLine(line, width),
    ),
    ...(hidden.length === 0
      ? []
      : [color.dim(cutLine(`and ${plural(hidden.length, `more ${unit}`)}: ${countStates(hidden)}`, width))]),
    ...bottom,
    ...footer,
  ];
}

/** `> ` before the marked row, and room for it before the others; null: as they are. */
function withMarks(head: string[], rows: string[][], marked: number | null): [head: string[], rows: string[][]] {
  if (marked === null) return [head, rows];
  const indent = ([first = '', ...rest]: string[], mark: string): string[] => [`${mark} ${first}`, ...rest];
  return [indent(head, ' '), rows.map((row, at) => indent(row, at === marked ? '>' : ' '))];
}

/** The heading, and as many details as half of the terminal holds. */
function topLines([first = '', ...details]: readonly string[], { height }: LiveView, width: number): string[] {
  const lines = wrapText(first, width);
  for (const detail of details) {
    const more = wrapText(detail, width);
    if (lines.length + more.length > height / 2) break;
    lines.push(...more);
  }
  return lines;
}

/** What needs somebody; what merely goes on is told by the rest of the frame. */
function troubleLines({ statusLines, run }: LiveStatus, view: LiveView): string[] {
  // The table has the other nodes, and the heading the run.
  const lines = run === null ? statusLines : statusLines.slice(0, 1);
  const isTrouble = lines[0]?.severity === 'error' || lines[0]?.severity === 'warning';
  return isTrouble ? renderStatusLine(lines, view).split('\n') : [];
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
  const pausedBy = paused === null ? '' : ` by ${oneLine(senderText(paused))}`;
  if (run !== null) {
    const isTold = run.state === 'running' || (run.state === 'paused' && paused !== null);
    const went = isTold ? '' : `, ${run.state}`;
    const elapsed = formatElapsed(run.startedAt, view.now);
    return `${name}  run ${run.number} (${run.trigger})  ${run.done} of ${plural(run.total, memberNameOf(status.type))}  ${elapsed}${went}${pausedBy === '' ? '' : `, paused${pausedBy}`}`;
  }
  const next = status.nextWindow === null ? '' : `  next ${formatStart(status.nextWindow.start, view.zone)}`;
  const last = lastRun === null ? '' : `  last run ${lastRun.number} ${lastRun.outcome} (${countOutcomes(lastRun)})`;
  return `${name}  ${status.state}${pausedBy}${next}${last}`;
}
