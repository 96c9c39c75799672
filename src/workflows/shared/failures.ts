import {
  ActivityFailure,
  ApplicationFailure,
  CancelledFailure,
  ChildWorkflowFailure,
  TerminatedFailure,
  TimeoutFailure,
} from '@temporalio/workflow';
import type { ErrorInfo } from '../../domain/shared/errors';
import { ERROR_TYPES } from '../../domain/shared/errors';

/** What a failed activity or child workflow says to a user. `what` names it, e.g. `preflight of w-1`. */
export function toErrorInfo(failure: unknown, what: string): ErrorInfo {
  const cause = failure instanceof ActivityFailure || failure instanceof ChildWorkflowFailure ? failure.cause : failure;
  if (cause instanceof ApplicationFailure) return fromApplicationFailure(cause);
  if (cause instanceof CancelledFailure) return { type: 'Cancelled', message: `${what} was cancelled` };
  if (cause instanceof TerminatedFailure) return terminatedInTemporal(what);
  if (cause instanceof TimeoutFailure) return fromTimeout(cause, what);
  return { type: 'Internal', message: `${what} failed: ${cause instanceof Error ? cause.message : String(cause)}` };
}

/** The failure of a workflow whose message is for users: where in the code it was made says nothing to them. */
export function withoutStack(failure: ApplicationFailure): ApplicationFailure {
  failure.stack = '';
  return failure;
}

/** Of a node patch that has ended without a word. */
export function terminatedPatch(node: string): ErrorInfo {
  return terminatedInTemporal(`the patch of ${node}`);
}

function terminatedInTemporal(what: string): ErrorInfo {
  return {
    type: 'UnreachableAfterChange',
    message: `${what} was terminated in Temporal, so its progress is unknown`,
    remedy: 'check the node; the next run repairs what was left behind',
  };
}

/** The same for what somebody at a terminal waits for, which changes nothing. */
export function toInspectionError(failure: unknown, what: string): ErrorInfo {
  const info = toErrorInfo(failure, what);
  if (!isTimeout(failure) || info.type !== 'UnreachableAfterChange') return info;
  return { ...info, type: 'NoWorker', remedy: `${SEE_WORKERS}, then try again` };
}

const SEE_WORKERS = 'see with `ospatch doctor` that workers run and are not overloaded';

/** Temporal itself says only which of its time-outs it was. */
function fromTimeout({ timeoutType, cause }: TimeoutFailure, what: string): ErrorInfo {
  // What the last attempt has met is why the time was over.
  const last = cause instanceof ApplicationFailure ? fromApplicationFailure(cause) : null;
  return {
    type: 'UnreachableAfterChange',
    message: last === null ? timeoutMessage(timeoutType, what) : `${what} was not done in time: ${last.message}`,
    remedy: last?.remedy ?? `${SEE_WORKERS}; the next run repairs what was left behind`,
  };
}

function timeoutMessage(timeoutType: TimeoutFailure['timeoutType'], what: string): string {
  switch (timeoutType) {
    case 'SCHEDULE_TO_START':
      return `${what} was not begun in time: no worker took it up`;
    case 'HEARTBEAT':
      return `${what} was not done: its worker gave no sign of life any more`;
    default:
      return `${what} was not done in time, and no worker said why`;
  }
}

/** Whether an activity was given up because its time was over. */
export function isTimeout(failure: unknown): boolean {
  return (
    failure instanceof ActivityFailure && (failure.cause instanceof TimeoutFailure || failure.retryState === 'TIMEOUT')
  );
}

/** Why the policy of a worker did not allow the last attempt of an activity that was given up; null: for another reason. */
export function denialIn(failure: unknown): ErrorInfo | null {
  const cause = failure instanceof ActivityFailure ? failure.cause : undefined;
  const last = cause instanceof TimeoutFailure ? cause.cause : cause;
  const info = last instanceof ApplicationFailure ? fromApplicationFailure(last) : null;
  return info?.type === 'Denied' ? info : null;
}

/** Whether no worker has taken the activity up in time. */
export function isNotTakenUp(failure: unknown): boolean {
  return (
    failure instanceof ActivityFailure &&
    failure.cause instanceof TimeoutFailure &&
    failure.cause.timeoutType === 'SCHEDULE_TO_START'
  );
}

/** What a workflow fails with whose caller reads the ErrorInfo. */
export function failureOf(info: ErrorInfo): ApplicationFailure {
  return ApplicationFailure.create({ message: info.message, type: info.type, nonRetryable: true, details: [info] });
}

function fromApplicationFailure(failure: ApplicationFailure): ErrorInfo {
  const info: unknown = failure.details?.[0];
  if (isErrorInfo(info)) return info;
  const type = ERROR_TYPES.find((known) => known === failure.type) ?? 'Internal';
  return { type, message: failure.message };
}

function isErrorInfo(value: unknown): value is ErrorInfo {
  return (
    typeof value === 'object' &&
    value !== null &&
    'type' in value &&
    'message' in value &&
    typeof value.message === 'string' &&
    (ERROR_TYPES as readonly unknown[]).includes(value.type)
  );
}
