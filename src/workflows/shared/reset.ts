/** Knows whether somebody has reset the workflow in Temporal. */
import { workflowInfo } from '@temporalio/workflow';
import { getActivator } from '@temporalio/workflow/lib/global-attributes';

interface Resets {
  /** The history length that the first workflow task after the last reset has; null: there was none. */
  task: number | null;
  listener: (() => void) | null;
  isUnheard: boolean;
}

/** By the activator of a workflow, because all workflows of a worker share this module. */
const known = new WeakMap<object, Resets>();

function resets(): Resets {
  const workflow = getActivator();
  const own = known.get(workflow) ?? { task: null, listener: null, isUnheard: false };
  known.set(workflow, own);
  return own;
}

/** `task`: the history length of the workflow task that comes first after the reset. */
export function noteResetTask(task: number): void {
  resets().task = task;
}

export function notifyReset(): void {
  const own = resets();
  if (own.listener === null) own.isUnheard = true;
  else own.listener();
}

/** `heard` is called for each reset, at once for one that has been noticed already. Called by one workflow only once. */
export function onReset(heard: () => void): void {
  const own = resets();
  own.listener = heard;
  if (!own.isUnheard) return;
  own.isUnheard = false;
  heard();
}

/** Whether a message that arrives now may be one that Temporal repeats because of a reset. */
export function mayBeRepeated(): boolean {
  const { task } = resets();
  return task !== null && workflowInfo().historyLength === task;
}
