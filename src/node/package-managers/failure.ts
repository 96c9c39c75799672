/** From an exit code and a log to a failure with a name, by the tables of the package managers. */
import type { ErrorInfo, ErrorType } from '../../domain/errors';
import { RC_DISK_FULL, RC_SCRIPT_FAILED, RC_STILL_BROKEN, RC_UNPLANNED } from '../helper/exit-codes';
import { outputTail } from '../sanitize';
import type { FailedPhase } from './types';

export interface Failure {
  type: ErrorType;
  what: string;
  remedy: string;
}

/** The texts that tell failures apart where exit codes do not. The first match counts. */
export type FailureTable = readonly (readonly [RegExp, Failure])[];

export const DISK_FULL: Failure = {
  type: 'DiskFull',
  what: 'the disk is full',
  remedy: 'free some space, then patch the node again',
};

export const LOCKED: Failure = {
  type: 'Busy',
  what: 'another package manager holds the lock',
  remedy: 'wait for it to end, then patch the node again',
};

export const UNREADABLE_REPOSITORY: Failure = {
  type: 'Repository',
  what: 'the package repositories cannot be read',
  remedy: 'check the mirrors and the network of the node',
};

export const UNSIGNED: Failure = {
  type: 'Policy',
  what: 'packages are not signed by a trusted key',
  remedy: 'install the key of the repository on the node',
};

/** What the helper's own exit codes mean; null for those of a package manager. `look` is where to look on the node. */
export function helperFailure(rc: number, look: string): Failure | null {
  switch (rc) {
    case RC_DISK_FULL:
      return {
        type: 'DiskFull',
        what: 'the state directory cannot be written',
        remedy: 'free some space below /var/lib/ospatch',
      };
    case RC_STILL_BROKEN:
      return {
        type: 'PackagesBroken',
        what: 'packages are still not fully installed after the repair',
        remedy: `${look} on the node`,
      };
    case RC_SCRIPT_FAILED:
      return {
        type: 'PackageManager',
        what: 'packages were installed, but their own scripts failed',
        remedy: 'read the log, find out what those packages lack, and install them again',
      };
    case RC_UNPLANNED:
      return {
        type: 'Policy',
        what: 'the package manager has updated itself and now wants more than upgrades',
        remedy: 'read the log, then patch the node again',
      };
    default:
      return null;
  }
}

export interface Symptoms {
  /** How the package manager is called in front of people. */
  name: string;
  /** Where to look on the node, when the helper itself says what is wrong. */
  look: string;
  table: FailureTable;
  /** What exit codes mean where the text does not say more. */
  codes?: ReadonlyMap<number, Failure>;
}

/** What a phase failed of: by the helper's own codes, then by what the log says, then by the manager's codes. */
export function findFailure({ rc, log }: FailedPhase, { name, look, table, codes }: Symptoms): Failure {
  return (
    helperFailure(rc, look) ??
    table.find(([pattern]) => pattern.test(log))?.[1] ??
    codes?.get(rc) ?? {
      type: 'PackageManager',
      what: `${name} ended with code ${rc}`,
      remedy: 'read the log of the job',
    }
  );
}

/** One sentence: phase, node, what it means, and the manager's own last word on it. */
export function describeFailure({ node, phase, rc, log }: FailedPhase, failure: Failure, reason: string): ErrorInfo {
  return {
    type: failure.type,
    message: `${phase} failed on ${node}: ${failure.what}${reason === '' ? '' : ` (${reason})`}.`,
    remedy: failure.remedy,
    details: { phase, rc, tail: outputTail(log) },
  };
}
