/** A workflow that does what only its clock tells it to do. */
import { defineQuery, setHandler, sleep, upsertMemo } from '@temporalio/workflow';

export * from '../../src/workflows';

const BREAK_MS = 500;
/** Between the end of the break and its workflow task. */
export const LATE_MS = 4_000;

const stepQuery = defineQuery<string>('step');

export async function waiting(): Promise<void> {
  let step = 'before the break';
  setHandler(stepQuery, () => step);
  const begun = Date.now();
  await sleep(BREAK_MS);
  if (Date.now() - begun > LATE_MS) upsertMemo({ isLate: true });
  step = 'after the break';
  await sleep(1);
}
