/**
 * Ids of traces and spans, computed from the ids of workflows. A run is carried out by many workers over hours or weeks, which have
 * nothing in common but these; so each can say its part at any time, and a retried activity says the same again.
 */
import { createHash } from 'node:crypto';

const TRACE_BYTES = 16;
const SPAN_BYTES = 8;

/** The trace of a run, 32 hex digits. */
export function traceIdOf(namespace: string, runWorkflowId: string): string {
  return hash(TRACE_BYTES, 'trace', namespace, runWorkflowId);
}

/** A span of the trace, 16 hex digits. */
export function spanIdOf(traceId: string, ...parts: string[]): string {
  return hash(SPAN_BYTES, 'span', traceId, ...parts);
}

export function runSpanId(traceId: string): string {
  return spanIdOf(traceId, 'run');
}

/** Of a node patch, by the run id of its workflow. */
export function nodeSpanId(traceId: string, workflowRunId: string): string {
  return spanIdOf(traceId, 'node', workflowRunId);
}

function hash(bytes: number, ...parts: string[]): string {
  return createHash('sha256')
    .update(JSON.stringify(parts))
    .digest('hex')
    .slice(0, bytes * 2);
}
