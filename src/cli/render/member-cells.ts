/** What is shown of one member: its state, its step, what it waits for, and its error. */
import type { LiveNode } from '../../domain/explain/explanation';
import { isNode } from '../../domain/cluster/member';
import type { MemberStatus } from '../../domain/cluster/member';
import type { NodeState } from '../../domain/node/status';
import { lockAt } from '../../domain/node/status';
import type { Colors } from './table';
import { cellText, formatElapsed, oneLine } from './text';

export interface StatusView {
  now: number;
  /** Time zone of the user. */
  zone: string;
  color: Colors;
  /** Lists every node of a large cluster too. */
  all?: boolean;
  /** The status is followed already, so nothing suggests that. */
  isWatched?: boolean;
}

const MAX_ERROR = 120;

/** `waiting 3h20m (20h40m left) for ...`, with the times first, so that truncation keeps them. */
export function waitOf(live: LiveNode, now: number): string | null {
  const { waitingFor, waitingSince, waitingUntil } = live;
  if (waitingFor === null) return null;
  const elapsed = waitingSince === null ? '' : ` ${formatElapsed(waitingSince, now)}`;
  const left =
    waitingUntil === null ? '' : ` (${formatElapsed(new Date(now).toISOString(), Date.parse(waitingUntil))} left)`;
  return `waiting${elapsed}${left} for ${oneLine(waitingFor)}`;
}

/** `apply 3/12`, `drain 4/40 pods`, `reboot`, `waiting`; what the node in work does at this moment. */
export function stepOf(live: LiveNode): string {
  if (live.state === 'waiting') return `waiting for ${oneLine(live.heldBy ?? 'another run')} to finish on this node`;
  if (live.step === null) return live.waitingFor === null ? 'starting' : 'in service';
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

export function errorCell({ lastError }: MemberStatus, color: Pick<Colors, 'columns'>): string {
  if (lastError === null) return '';
  const message = cellText(lastError.message, MAX_ERROR, color);
  // A node that was left alone has a reason, and no error.
  return lastError.type === 'NotTried' ? message : `${lastError.type}: ${message}`;
}

/** `patched`, or `patched, locked`. */
export function shownState(node: MemberStatus, now: number): string {
  return isNode(node) && lockAt(node, now) !== null ? `${node.state}, locked` : node.state;
}
