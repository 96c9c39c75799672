/**
 * Traces over runs, node patches and steps.
 *
 * The interceptors are our own and not those of `@temporalio/interceptors-opentelemetry`: these load the SDK of OpenTelemetry into the
 * sandbox of the workflows, which takes random numbers of the workflow for its ids (so that job ids would differ between a worker that
 * traces and one that does not) and keeps its state in modules, which all workflows of a worker share. And a span of theirs lives in
 * one worker, while a run lasts for weeks.
 */
import { activityInfo } from '@temporalio/activity';
import { ApplicationFailure, defaultPayloadConverter } from '@temporalio/common';
import type { Payload } from '@temporalio/common';
import type { ActivityInterceptorsFactory, InjectedSinks } from '@temporalio/worker';
import type { AuditRecord } from '../contract/activities/cluster';
import type { RunEnd, TraceHeader } from '../contract/trace';
import { TRACE_HEADER, readTraceHeader } from '../contract/trace';
import { inSpan } from './current';
import { nodeSpanId, traceIdOf } from './ids';
import type { TraceSpan } from './spans';
import { attemptSpan, attemptSpanId, nodeSpans, runSpan } from './spans';

/** Receives spans that have ended. */
export interface SpanSink {
  add(...spans: TraceSpan[]): void;
}

// An interface is no set of sinks for the SDK, which wants an index.
// eslint-disable-next-line typescript/consistent-type-definitions -- as above
export type TraceSinks = { trace: { runEnded(end: RunEnd): void } };

/** What workflows tell the worker. Without `spans` it is ignored. */
export function traceSinks(spans: SpanSink | null): InjectedSinks<TraceSinks> {
  return {
    trace: {
      runEnded: {
        fn: ({ namespace, workflowId }, end) => spans?.add(runSpan(end, namespace, workflowId)),
        callDuringReplay: false,
      },
    },
  };
}

/** Records the attempts at activities of node patches, and with the last one the node patch itself. */
export function tracingInterceptor(spans: SpanSink): ActivityInterceptorsFactory {
  return () => ({
    inbound: {
      execute: async (input, next) => {
        const info = activityInfo();
        const header = readHeader(input.headers[TRACE_HEADER]);
        const { workflowExecution, workflowNamespace, activityType, activityId, attempt, taskQueue } = info;
        if (header === null || workflowExecution === undefined) return next(input);
        const { workflowId, runId: workflowRunId } = workflowExecution;
        const place = { namespace: workflowNamespace ?? 'default', run: header.run, workflowId, workflowRunId };
        const startMs = Date.now();
        const ended = (errorType: string | null): void => {
          const one = { activityType, activityId, attempt, taskQueue, startMs, endMs: Date.now(), errorType };
          if (!info.isLocal) spans.add(attemptSpan(one, place));
        };
        const traceId = traceIdOf(place.namespace, header.run);
        const span = {
          trace_id: traceId,
          // A local activity has no span of its own; what it logs is of the node.
          span_id: info.isLocal ? nodeSpanId(traceId, workflowRunId) : attemptSpanId({ activityId, attempt }, place),
        };
        try {
          const result = await inSpan(span, () => next(input));
          ended(null);
          // The record of a node patch, which a guard has checked by now.
          if (activityType === 'recordAudit') spans.add(...nodeSpans(input.args[0] as AuditRecord, place));
          return result;
        } catch (error) {
          ended(typeOf(error));
          throw error;
        }
      },
    },
  });
}

function readHeader(payload: Payload | undefined): TraceHeader | null {
  if (payload === undefined) return null;
  try {
    return readTraceHeader(defaultPayloadConverter.fromPayload(payload));
  } catch {
    return null;
  }
}

function typeOf(error: unknown): string {
  if (error instanceof ApplicationFailure) return error.type ?? 'ApplicationFailure';
  return error instanceof Error ? error.name : 'unknown';
}
