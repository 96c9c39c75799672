/** The table of members in work, and of those that somebody should look at: step, since when, and what is wrong. */
import type { LiveNode } from '../../domain/explain/explanation';
import type { MemberName, MemberStatus } from '../../domain/cluster/member';
import type { StatusView } from './member-cells';
import { colorState, errorCell, shownState, stepOf, waitOf } from './member-cells';
import { NONE, cellText, formatElapsed, oneLine } from './text';

/** Below this width, the steps stand in the column of the states. */
const WIDTH_FOR_STEPS = 60;

const MAX_NOTE = 160;

/** Head and rows. */
export function memberTable(
  nodes: readonly MemberStatus[],
  live: ReadonlyMap<string, LiveNode>,
  view: StatusView,
  unit: MemberName,
): [head: string[], rows: string[][]] {
  const head = [unit === 'node' ? 'Node' : 'Node group', 'State', 'Step', 'Elapsed', 'Note'];
  const rows = nodes.map((node) => memberRow(node, live.get(node.name), view));
  if ((view.color.columns ?? Infinity) >= WIDTH_FOR_STEPS) return [head, rows];
  const [name = '', state = '', , , note = ''] = head;
  return [[name, state, note], rows.map(narrowed)];
}

/** The step, where there is one, stands for the state. */
function narrowed([name = '', state = '', step = '', , note = '']: readonly string[]): string[] {
  return [name, step === NONE ? state : step, note];
}

function memberRow(node: MemberStatus, live: LiveNode | undefined, view: StatusView): string[] {
  const state = colorState(shownState(node, view.now), node.state, view.color);
  if (live === undefined)
    return [oneLine(node.name), state, NONE, NONE, errorCell(node, view.color) || rebootNote(node)];
  return [oneLine(node.name), state, stepOf(live), formatElapsed(live.startedAt, view.now), noteOf(live, view)];
}

function noteOf(live: LiveNode, { now, color }: StatusView): string {
  const wait = waitOf(live, now);
  if (wait !== null) return cellText(wait, MAX_NOTE, color);
  if (live.lastFailure !== null) return `attempt ${live.attempt}: ${cellText(live.lastFailure, MAX_NOTE, color)}`;
  return '';
}

function rebootNote({ state }: MemberStatus): string {
  return state === 'reboot-pending' ? 'needs a reboot' : state === 'restart-pending' ? 'needs a restart' : '';
}
