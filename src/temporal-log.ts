/** Writes log messages of Temporal's SDK to the worker's log: one line per problem, with the affected workflow. */
import { DefaultLogger } from '@temporalio/worker';
import type { LogEntry, NativeConnection } from '@temporalio/worker';
import { UNHANDLED_EVENTS } from './contract/unhandled-events';
import { plainText } from './domain/shared/text';
import { defined } from './domain/shared/defined';

/** The used part of a pino logger. */
export interface LogSink {
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** The SDK repeats a message with every attempt. */
const REPEATED_AFTER_MS = 10 * 60_000;
const MAX_REMEMBERED = 1_000;
const MAX_CAUSE = 500;

/** The SDK's messages for a workflow that fails on this worker. All but the first contain only the run id. */
const FAILURES = new Set([
  'Workflow failed',
  'Failed to process Workflow Activation',
  'Failing workflow task',
  'Failing legacy query request',
]);

/**
 * The SDK logs 'Workflow failed' for completed workflows too, such as a failed node patch; the stack distinguishes
 * them.
 */
const HAS_ENDED = /^\w*Failure\b/;

export class TemporalLog {
  private readonly written = new Map<string, number>();

  /** Looks up the workflow id of a run. Set once there is a connection. */
  workflowOf: ((runId: string) => Promise<string | null>) | null = null;

  constructor(
    private readonly sink: LogSink,
    private readonly now: () => number = Date.now,
  ) {}

  /** For `Runtime.install`. */
  get logger(): DefaultLogger {
    return new DefaultLogger('WARN', (entry) => void this.write(entry));
  }

  async write({ level, message, meta }: Pick<LogEntry, 'level' | 'message' | 'meta'>): Promise<void> {
    const fields: Record<string, unknown> = { ...meta };
    const runId = textOf(fields['runId']);
    const isFailure = FAILURES.has(message) && runId !== null;
    // The workflow goes on, and the query is asked again.
    if (isFailure && causeOf(fields) === UNHANDLED_EVENTS) return;
    if (this.isRepetition(isFailure ? `failure ${runId}` : `${message} ${runId ?? ''}`)) return;
    if (!isFailure) return this.print(level, fields, message);
    const workflowId = textOf(fields['workflowId']) ?? (await this.findWorkflow(runId));
    const cluster = /^cluster\/([^/]+)/.exec(workflowId ?? '')?.[1];
    const what = cluster === undefined ? `workflow ${workflowId ?? `of run ${runId}`}` : `cluster ${cluster}`;
    this.print(
      level,
      { ...defined({ cluster, workflowId: workflowId ?? undefined }), runId },
      hasEnded(fields)
        ? `workflow ${workflowId ?? `of run ${runId}`} has failed: ${causeOf(fields)}`
        : `${what} fails on this worker, and is retried: ${causeOf(fields)}`,
    );
  }

  private print(level: LogEntry['level'], fields: object, message: string): void {
    if (level === 'ERROR') this.sink.error(fields, message);
    else this.sink.warn(fields, message);
  }

  private isRepetition(key: string): boolean {
    const last = this.written.get(key);
    if (last !== undefined && this.now() - last < REPEATED_AFTER_MS) return true;
    if (this.written.size >= MAX_REMEMBERED) this.written.clear();
    this.written.set(key, this.now());
    return false;
  }

  private async findWorkflow(runId: string): Promise<string | null> {
    try {
      return (await this.workflowOf?.(runId)) ?? null;
    } catch {
      // The line is useful without the workflow id.
      return null;
    }
  }
}

/** Queries the workflow id of a run; null when it is unknown. */
export async function findWorkflowOfRun(
  { workflowService }: NativeConnection,
  namespace: string,
  runId: string,
): Promise<string | null> {
  const query = `RunId = '${runId.replace(/[^0-9a-zA-Z-]/g, '')}'`;
  const { executions } = await workflowService.listWorkflowExecutions({ namespace, query, pageSize: 1 });
  return executions[0]?.execution?.workflowId ?? null;
}

/** A Temporal failure ends the workflow; any other error fails only the workflow task. A failure for users has no stack. */
function hasEnded({ error }: Record<string, unknown>): boolean {
  if (!(error instanceof Error)) return false;
  return error.stack === undefined || error.stack === '' || HAS_ENDED.test(error.stack);
}

/** The core passes the debug format of a Rust structure. */
function causeOf({ error, failure }: Record<string, unknown>): string {
  if (error instanceof Error) return plainText(error.message, MAX_CAUSE);
  const [, quoted] = /message: ("(?:[^"\\]|\\.)*")/.exec(String(failure)) ?? [];
  return plainText(quoted === undefined ? String(failure) : unquoted(quoted), MAX_CAUSE);
}

function unquoted(text: string): string {
  try {
    return String(JSON.parse(text));
  } catch {
    return text;
  }
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}
