/** Converts errors to ApplicationFailures, and decides whether a retry can help. The only such place. */
import { ApplicationFailure, ApplicationFailureCategory, CancelledFailure } from '@temporalio/common';
import { WAITING } from '../contract/waiting';
import type { ErrorInfo, ErrorType } from '../domain/shared/errors';
import { assertNever, isOspatchError } from '../domain/shared/errors';
import { plainText } from '../domain/shared/text';
import { RetryLater } from '../retry/slot-release';
import { defined } from '../domain/shared/defined';

/**
 * Attempts for unexpected errors, which another worker or a later attempt may not have; after that a person has to
 * look. Attempts that ended with their worker count too, so there is room for some of those.
 */
const UNFORESEEN_ATTEMPTS = 30;

/** `type` is the ErrorType, `details[0]` the ErrorInfo. Cancellations pass through unchanged. */
export function toApplicationFailure(error: unknown, attempt: number): ApplicationFailure | CancelledFailure {
  if (error instanceof CancelledFailure || error instanceof ApplicationFailure) return error;
  if (error instanceof RetryLater) return toWaiting(error);
  const info = errorInfo(error);
  return ApplicationFailure.create({
    message: info.message,
    type: info.type,
    nonRetryable: !isRetryable(info.type, attempt),
    details: [info],
    ...defined({ cause: error instanceof Error ? withoutStack(error) : undefined }),
  });
}

/** Ends an attempt and lets the server keep the wait until the next one. Not a failure, so nothing must alert on it. */
function toWaiting({ waitingFor, delayMs, cause }: RetryLater): ApplicationFailure {
  return ApplicationFailure.create({
    message: `waiting for ${waitingFor}`,
    type: WAITING,
    nextRetryDelay: delayMs,
    category: ApplicationFailureCategory.BENIGN,
    // For a caller that times out before the next attempt.
    details: cause === undefined ? [] : [errorInfo(cause)],
  });
}

/** The plain-data form of any thrown value. */
export function errorInfo(error: unknown): ErrorInfo {
  if (isOspatchError(error)) return error.toInfo();
  const message = error instanceof Error ? error.message : String(error);
  return { type: 'Internal', message: `unexpected error: ${plainText(message, 500)}` };
}

/**
 * Activities track their own waits, so an error after a timeout is final. Other final errors need a person: another
 * host key, key, sudo rule, package source or decision.
 */
function isRetryable(type: ErrorType, attempt: number): boolean {
  switch (type) {
    case 'Internal':
      return attempt < UNFORESEEN_ATTEMPTS;
    case 'WorkerProtocol':
      return true;
    case 'Unreachable':
    case 'UnreachableAfterChange':
    case 'HostKeyMismatch':
    case 'AuthFailed':
    case 'SudoDenied':
    case 'IdentityUnavailable':
    case 'UnsupportedOs':
    case 'Policy':
    case 'Denied':
    case 'DecisionRequired':
    case 'HelperMissing':
    case 'HelperProtocol':
    case 'Busy':
    case 'PackageManager':
    case 'PackagesBroken':
    case 'Repository':
    case 'DiskFull':
    case 'PlanChanged':
    case 'RebootFailed':
    case 'PowerCycle':
    case 'Unhealthy':
    case 'KubernetesApi':
    case 'WrongNode':
    case 'DrainBlocked':
    case 'DrainTimeout':
    case 'Alertmanager':
    case 'Notification':
    case 'Calendar':
    case 'Aws':
    case 'Cancelled':
    case 'NotTried':
    case 'WindowOver':
    case 'InvalidSpec':
    case 'Usage':
    case 'Refused':
    case 'NotFound':
    case 'Stuck':
    case 'NoWorker':
    case 'NoServer':
      return false;
    default:
      return assertNever(type);
  }
}

/** A stack is useless in a history and reveals paths of the worker. */
function withoutStack(error: Error): Error {
  const cause = new Error(plainText(error.message, 500));
  cause.name = error.name;
  cause.stack = '';
  return cause;
}
