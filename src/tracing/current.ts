/** The span in which code of a worker runs, for the log. */
import { AsyncLocalStorage } from 'node:async_hooks';

/** As OpenTelemetry names the fields of a log line. */
export interface CurrentSpan {
  trace_id: string;
  span_id: string;
}

const storage = new AsyncLocalStorage<CurrentSpan>();

export function inSpan<T>(span: CurrentSpan, body: () => T): T {
  return storage.run(span, body);
}

/** Undefined: none. */
export function currentSpan(): CurrentSpan | undefined {
  return storage.getStore();
}
