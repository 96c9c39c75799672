/**
 * Tells the activities of a node patch which run they belong to, and the worker when a run has ended; the worker makes spans of that
 * (`src/tracing/`). Nothing here depends on whether a worker traces, and nothing of it is a command that replay compares.
 */
import type { Headers, WorkflowInterceptors } from '@temporalio/workflow';
import { defaultPayloadConverter, proxySinks, workflowInfo } from '@temporalio/workflow';
import type { RunEnd, TraceHeader } from '../../contract/trace';
import { TRACE_HEADER } from '../../contract/trace';
import { WORKFLOW_TYPES } from '../../contract/workflow-ids';
import { isRunResult } from '../../domain/run/progress-parser';

const OF_MEMBERS: readonly string[] = [WORKFLOW_TYPES.patchNode, WORKFLOW_TYPES.updateNodegroup];

export function interceptors(): WorkflowInterceptors {
  const { workflowType, parent } = workflowInfo();
  if (workflowType === WORKFLOW_TYPES.run) return { inbound: [{ execute: tellEnd }] };
  if (parent === undefined || !OF_MEMBERS.includes(workflowType)) return {};
  const content: TraceHeader = { run: parent.workflowId };
  const header: Headers = { [TRACE_HEADER]: defaultPayloadConverter.toPayload(content) };
  return {
    outbound: [
      {
        scheduleActivity: (input, next) => next({ ...input, headers: { ...input.headers, ...header } }),
        scheduleLocalActivity: (input, next) => next({ ...input, headers: { ...input.headers, ...header } }),
      },
    ],
  };
}

type Execute = NonNullable<NonNullable<WorkflowInterceptors['inbound']>[number]['execute']>;

const tellEnd: Execute = async (input, next) => {
  try {
    const result = await next(input);
    tell(input.args[0], result);
    return result;
  } catch (failure) {
    // A run that has failed has its report in the failure.
    const { details } = failure as { details?: unknown[] };
    tell(input.args[0], details?.[0]);
    throw failure;
  }
};

/** A run that is suspended goes on in another workflow. */
function tell(argument: unknown, report: unknown): void {
  if (!isRunResult(report) || report.end === 'suspended') return;
  const { cluster, run, trigger, startedAt } = argument as RunEnd;
  const { trace } = proxySinks<{ trace: { runEnded(end: RunEnd): void } }>();
  trace.runEnded({ cluster, run, trigger, outcome: report.outcome, startedAt, endedAt: new Date().toISOString() });
}
