/**
 * The ends of node patches and runs. A failed one is a failed workflow whose message is shown to users; its parent gets
 * the same result in both cases.
 */
import { ApplicationFailure, ChildWorkflowFailure, workflowInfo } from '@temporalio/workflow';
import type { MemberSettled, PatchRecord } from '../../domain/cluster/member';
import { toSettled } from '../../domain/cluster/member';
import { failureSentence } from '../../domain/node/status';
import { isRunResult, parseSettled } from '../../domain/run/progress-parser';
import type { RunResult } from '../../domain/run/run';
import { withoutStack } from './failures';

/** @throws ApplicationFailure when the node patch has failed */
export function endNodePatch(record: PatchRecord): MemberSettled {
  const settled = toSettled(record, workflowInfo().runId);
  const { error, outcome } = settled;
  if (outcome !== 'failed' || error === null) return settled;
  throw failed(failureSentence(record.node, error), error.type, settled);
}

/** `sentence`: why the run failed; null when it did not. @throws ApplicationFailure when the run failed */
export function endRun(report: RunResult, sentence: string | null): RunResult {
  if (sentence === null) return report;
  throw failed(sentence, 'RunFailed', report);
}

/** The result of a failed node patch; null when there is none, e.g. because it was terminated. */
export function settledOf(failure: unknown): MemberSettled | null {
  return parseSettled(detailsOf(failure));
}

/** The result of a failed run; null when there is none. */
export function reportOf(failure: unknown): RunResult | null {
  const report = detailsOf(failure);
  return isRunResult(report) ? report : null;
}

function failed(message: string, type: string, answer: MemberSettled | RunResult): ApplicationFailure {
  return withoutStack(ApplicationFailure.create({ message, type, nonRetryable: true, details: [answer] }));
}

function detailsOf(failure: unknown): unknown {
  if (!(failure instanceof ChildWorkflowFailure) || !(failure.cause instanceof ApplicationFailure)) return null;
  return failure.cause.details?.[0];
}
