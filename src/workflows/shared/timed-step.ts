/** Records a step with its duration, in order of start. */
import type { StepRecord } from '../../domain/node/patch';
import type { NodeStep } from '../../domain/node/report';

/** Runs `body` as a step of `steps`; calls `show` when it starts. */
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
