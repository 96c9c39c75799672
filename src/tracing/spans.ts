/**
 * The spans of a run, its node patches, their steps, and the attempts at activities. They hold names, numbers and outcomes: no message
 * of an error, since that may quote what a node has printed, and nothing of an input.
 */
import type { AuditRecord } from '../contract/activities/cluster';
import type { RunEnd } from '../contract/trace';
import { defined } from '../domain/shared/defined';
import { nodeSpanId, runSpanId, spanIdOf, traceIdOf } from './ids';

export interface TraceSpan {
  traceId: string;
  spanId: string;
  /** Absent: the root. */
  parentSpanId?: string;
  name: string;
  /** Epoch milliseconds. */
  startMs: number;
  endMs: number;
  attributes: Readonly<Record<string, string | number>>;
  failed: boolean;
}

/** Where a part of a run was carried out. */
export interface TracePlace {
  namespace: string;
  /** Workflow id of the run. */
  run: string;
  /** Of the workflow that the part belongs to. */
  workflowId: string;
  workflowRunId: string;
}

export function runSpan(end: RunEnd, namespace: string, workflowId: string): TraceSpan {
  const traceId = traceIdOf(namespace, workflowId);
  return {
    ...{ traceId, spanId: runSpanId(traceId), name: 'run' },
    ...{ startMs: Date.parse(end.startedAt), endMs: Date.parse(end.endedAt) },
    attributes: {
      ...{ 'ospatch.cluster': end.cluster, 'ospatch.run': end.run, 'ospatch.trigger': end.trigger },
      ...{ 'ospatch.outcome': end.outcome, 'temporal.namespace': namespace, 'temporal.workflow_id': workflowId },
    },
    failed: end.outcome !== 'succeeded',
  };
}

/** The span of a node patch that has ended, and those of its steps. */
export function nodeSpans({ cluster, trigger, result }: AuditRecord, place: TracePlace): TraceSpan[] {
  const { namespace, run, workflowId, workflowRunId } = place;
  const traceId = traceIdOf(namespace, run);
  const spanId = nodeSpanId(traceId, workflowRunId);
  const common = { 'ospatch.cluster': cluster, 'ospatch.node': result.node, 'ospatch.run': result.run };
  const node: TraceSpan = {
    ...{ traceId, spanId, parentSpanId: runSpanId(traceId), name: 'node' },
    ...{ startMs: Date.parse(result.startedAt), endMs: Date.parse(result.endedAt) },
    attributes: {
      ...{ ...common, 'ospatch.trigger': trigger, 'ospatch.outcome': result.outcome },
      ...defined({
        'ospatch.packages_changed': result.kind === 'node' ? result.changes.length : undefined,
        'ospatch.reboots': result.kind === 'node' ? result.reboots : undefined,
        'error.type': result.error?.type,
      }),
      ...{ 'temporal.workflow_id': workflowId, 'temporal.run_id': workflowRunId },
    },
    failed: result.outcome === 'failed',
  };
  const steps = result.steps.map(({ step, startedAt, durationMs }, at): TraceSpan => {
    const startMs = Date.parse(startedAt);
    return {
      ...{ traceId, spanId: spanIdOf(traceId, 'step', workflowRunId, String(at)), parentSpanId: spanId },
      ...{ name: step, startMs, endMs: startMs + durationMs, attributes: { ...common, 'ospatch.step': step } },
      // The error of a node patch belongs to the step in which it has ended.
      failed: node.failed && at === result.steps.length - 1,
    };
  });
  return [node, ...steps];
}

/** One attempt at an activity of a node patch. */
export interface ActivityAttempt {
  activityType: string;
  activityId: string;
  attempt: number;
  taskQueue: string;
  startMs: number;
  endMs: number;
  /** Type of the error; null: it has succeeded. */
  errorType: string | null;
}

/** The span of an attempt, which counts the attempts before: a step that waits is one that begins anew. */
export function attemptSpan(one: ActivityAttempt, place: TracePlace): TraceSpan {
  const traceId = traceIdOf(place.namespace, place.run);
  return {
    ...{ traceId, spanId: attemptSpanId(one, place), parentSpanId: nodeSpanId(traceId, place.workflowRunId) },
    ...{ name: `activity ${one.activityType}`, startMs: one.startMs, endMs: one.endMs },
    attributes: {
      ...{ 'temporal.activity_type': one.activityType, 'temporal.attempt': one.attempt },
      'temporal.task_queue': one.taskQueue,
      ...defined({ 'error.type': one.errorType ?? undefined }),
    },
    failed: one.errorType !== null,
  };
}

export function attemptSpanId(
  { activityId, attempt }: Pick<ActivityAttempt, 'activityId' | 'attempt'>,
  { namespace, run, workflowRunId }: TracePlace,
): string {
  return spanIdOf(traceIdOf(namespace, run), 'attempt', workflowRunId, activityId, String(attempt));
}
