/** Spans as OTLP over HTTP has them in JSON: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding */
import { defined } from '../domain/shared/defined';
import type { TraceSpan } from './spans';

/** `SPAN_KIND_INTERNAL`. */
const INTERNAL = 1;
/** `STATUS_CODE_ERROR`; a span that did not fail has no status. */
const ERROR = 2;
const NS_IN_MS = 1_000_000n;

/** The body of an export request. `resource`: attributes of the process. */
export function exportRequest(
  spans: readonly TraceSpan[],
  resource: Readonly<Record<string, string>>,
  version: string,
): string {
  const scope = { name: 'ospatch', version };
  return JSON.stringify({
    resourceSpans: [
      { resource: { attributes: toAttributes(resource) }, scopeSpans: [{ scope, spans: spans.map(toOtlp) }] },
    ],
  });
}

function toOtlp({ traceId, spanId, parentSpanId, name, startMs, endMs, attributes, failed }: TraceSpan): object {
  return {
    ...{ traceId, spanId, ...defined({ parentSpanId }), name, kind: INTERNAL },
    startTimeUnixNano: toNano(startMs),
    endTimeUnixNano: toNano(Math.max(startMs, endMs)),
    attributes: toAttributes(attributes),
    ...defined({ status: failed ? { code: ERROR } : undefined }),
  };
}

/** 64 bits are texts in JSON. */
function toNano(ms: number): string {
  return String(BigInt(Math.round(ms)) * NS_IN_MS);
}

function toAttributes(attributes: Readonly<Record<string, string | number>>): object[] {
  return Object.entries(attributes).map(([key, value]) => ({
    key,
    value: typeof value === 'string' ? { stringValue: value } : { intValue: String(value) },
  }));
}
