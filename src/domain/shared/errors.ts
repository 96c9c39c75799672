/**
 * Every error shown to users has one of these types. Code distinguishes errors by `type`, never by text, and never by
 * `instanceof` across the workflow sandbox.
 */
import { defined } from './defined';

export const ERROR_TYPES = [
  // The user's input.
  'InvalidSpec',
  'Usage',
  // Reaching a node.
  'Unreachable',
  'HostKeyMismatch',
  'AuthFailed',
  'SudoDenied',
  'IdentityUnavailable',
  // On a node.
  'UnsupportedOs',
  'Policy',
  // The policy of the worker does not allow a request.
  'Denied',
  'DecisionRequired',
  'HelperMissing',
  'HelperProtocol',
  'Busy',
  'UnreachableAfterChange',
  'PackageManager',
  'PackagesBroken',
  'Repository',
  'DiskFull',
  'PlanChanged',
  'RebootFailed',
  'PowerCycle',
  'Unhealthy',
  // In Kubernetes.
  'KubernetesApi',
  'WrongNode',
  'DrainBlocked',
  'DrainTimeout',
  // The API of an Alertmanager, or the files with which a worker reaches it.
  'Alertmanager',
  // A calendar file on the worker.
  'Calendar',
  // A target of notifications has not taken a message.
  'Notification',
  // At AWS.
  'Aws',
  'Cancelled',
  // Not reached by the run.
  'NotTried',
  // Left for the next maintenance window.
  'WindowOver',
  // Requests to Temporal.
  'Refused',
  'NotFound',
  // The workflow of a cluster fails, has ended, or is paused on the server.
  'Stuck',
  'NoWorker',
  'WorkerProtocol',
  'NoServer',
  'Internal',
] as const;
export type ErrorType = (typeof ERROR_TYPES)[number];

/** The plain-data form of an error, used across workflow boundaries and in `status`. */
export interface ErrorInfo {
  type: ErrorType;
  /** One clause without a final full stop: what was attempted, on which node, and the result. */
  message: string;
  /** The next command or setting for the user. */
  remedy?: string;
  /** Plain JSON; kept small (at most 8 KiB of log tail). */
  details?: Record<string, unknown>;
}

/** Base class of all errors that ospatch throws outside workflows. */
export class OspatchError extends Error {
  readonly type: ErrorType;
  readonly remedy: string | undefined;
  readonly details: Record<string, unknown> | undefined;

  constructor(info: ErrorInfo, options?: { cause?: unknown }) {
    super(info.message, options);
    this.name = 'OspatchError';
    this.type = info.type;
    this.remedy = info.remedy;
    this.details = info.details;
  }

  /** The plain-data form, safe to put into a workflow result. */
  toInfo(): ErrorInfo {
    return {
      type: this.type,
      message: this.message,
      ...defined({ remedy: this.remedy, details: this.details }),
    };
  }
}

/** True for an OspatchError from any copy of this module. */
export function isOspatchError(error: unknown): error is OspatchError {
  return error instanceof Error && error.name === 'OspatchError' && 'type' in error;
}

/** Closes an exhaustive switch: a new case does not compile until it is handled. */
export function assertNever(value: never): never {
  throw new TypeError(`unexpected value: ${JSON.stringify(value)}`);
}
