/** What a node patch tells its activities, and a run the worker, so that traces can be put together from their parts. */

/** Name of the activity header. */
export const TRACE_HEADER = 'ospatch-trace';

/** Content of the header. */
export interface TraceHeader {
  /** Workflow id of the run that a node patch belongs to. */
  run: string;
}

/** The end of a run, as its workflow tells the worker. Times are ISO 8601. */
export interface RunEnd {
  cluster: string;
  run: number;
  trigger: string;
  outcome: string;
  startedAt: string;
  endedAt: string;
}

/** Parses a header of anybody; null when it names no run. */
export function readTraceHeader(value: unknown): TraceHeader | null {
  if (typeof value !== 'object' || value === null || !('run' in value)) return null;
  const { run } = value;
  return typeof run === 'string' && /^cluster\/[^/]{1,200}\/run\/[0-9a-z-]{1,40}$/.test(run) ? { run } : null;
}
