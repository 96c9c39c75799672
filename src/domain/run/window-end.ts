/** What the end of a maintenance window means for a node patch that is in progress. */
import type { MemberSettled } from '../cluster/member';
import type { ErrorInfo, ErrorType } from '../shared/errors';
import { MINUTE_MS } from '../shared/time-units';
import type { OnWindowEnd } from '../spec/types';
import type { WindowLimit } from './next-step';

/** The part of a maintenance window that is left for a run. */
export interface RunWindow extends WindowLimit {
  /** What becomes of a node that is drained and not yet changed at the end. */
  onEnd: OnWindowEnd;
}

/** A node that is drained when its window ends is patched if the change begins within this time. */
export const FINISH_WITHIN_MS = 30 * MINUTE_MS;

/** When the change of a node has to begin at the latest. `isCordoned`: it is drained for the patch, or being drained. */
export function beginBy({ endMs, onEnd }: RunWindow, isCordoned: boolean): number {
  return isCordoned && onEnd === 'finish-node' ? endMs + FINISH_WITHIN_MS : endMs;
}

/** The same for the end of a window, a blackout that begins, and the deadline of a run, which ends the run as well. */
export function windowOver(node: string): ErrorInfo {
  return {
    type: 'WindowOver',
    message: `the window or the deadline of the run ended before ${node} was changed, so the node was left as it is; the run takes the node up again if it goes on`,
  };
}

/** Somebody has left the node out of the run after its patch was started. `why`: one clause. */
export function withdrawn(node: string, why: string): ErrorInfo {
  return { type: 'NotTried', message: `${node} was left out: ${why}` };
}

/** Whether an error of this type says that the node was left as it is. */
export function leavesUnchanged(type: ErrorType): boolean {
  return type === 'WindowOver' || type === 'NotTried';
}

/** Whether the patch of the node has ended before anything was changed, so that the run decides on the node anew. */
export function isBackInQueue({ kind, outcome, workflowRunId }: MemberSettled): boolean {
  return kind === 'node' && outcome === 'not-tried' && workflowRunId !== null;
}
