/**
 * Every failure a user can meet has one of these types. Errors are told apart by `type`, never by text and never by
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
  // At AWS.
  'Aws',
  'Cancelled',
  // The run did not come to it.
  'NotTried',
  // Around Temporal.
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

/** The plain-data form of an error: what crosses workflow boundaries and what `status` shows. */
export interface ErrorInfo {
  type: ErrorType;
  /** One clause without a final full stop: what was tried, on which node, what came back. */
  message: string;
  /** The next command or setting for a human. */
  remedy?: string;
  /** Plain JSON; kept small (at most 8 KiB of log tail). */
  details?: Record<string, unknown>;
}

/** Base of all errors ospatch throws outside workflows. */
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

/** True for an OspatchError of any copy of this module. */
export function isOspatchError(error: unknown): error is OspatchError {
  return error instanceof Error && error.name === 'OspatchError' && 'type' in error;
}

/** Closes an exhaustive switch: a new case does not compile until it is placed. */
export function assertNever(value: never): never {
  throw new TypeError(`unexpected value: ${JSON.stringify(value)}`);
}
