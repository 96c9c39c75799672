/** One step of what is done to a node or node group, with its duration, in the order they were begun. */
import type { StepRecord } from '../../domain/node/patch';
import type { NodeStep } from '../../domain/node/report';

/** Runs `body` as a step of `steps`; `show` is told when it begins. */
export async function timedStep<T>(
  steps: StepRecord[],
  show: () => void,
  step: NodeStep,
  body: () => Promise<T>,
): Promise<T> {
  const started = Date.now();
  const record: StepRecord = { step, startedAt: new Date(started).toISOString(), durationMs: 0 };
  steps.push(record);
  show();
  try {
    return await body();
  } finally {
    record.durationMs = Date.now() - started;
  }
}
