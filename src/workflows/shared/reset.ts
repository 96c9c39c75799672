/** Knows whether somebody has reset the workflow in Temporal. */
import { workflowInfo } from '@temporalio/workflow';

/** The history length that the first workflow task after the last reset has; null: there was none. */
let resetTask: number | null = null;
let listener: (() => void) | null = null;
let isUnheard = false;

/** `task`: the history length of the workflow task that comes first after the reset. */
export function noteResetTask(task: number): void {
  resetTask = task;
}

export function notifyReset(): void {
  if (listener === null) isUnheard = true;
  else listener();
}

/** `heard` is called for each reset, at once for one that has been noticed already. Called by one workflow only once. */
export function onReset(heard: () => void): void {
  listener = heard;
  if (!isUnheard) return;
  isUnheard = false;
  heard();
}

/** Whether a message that arrives now may be one that Temporal repeats because of a reset. */
export function mayBeRepeated(): boolean {
  return resetTask !== null && workflowInfo().historyLength === resetTask;
}
