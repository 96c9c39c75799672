/** Classifies a failed phase by exit code and log, using the tables of the package managers. */
import type { ErrorInfo } from '../../domain/shared/errors';
import { plainText } from '../../domain/shared/text';
import {
  RC_DISK_FULL,
  RC_LOCKED,
  RC_NOT_APPLIED,
  RC_SCRIPT_FAILED,
  RC_STILL_BROKEN,
  RC_UNPLANNED,
  RC_UNREADABLE,
} from '../helper/exit-codes';
import type { Phase } from '../job/id';
import { cleanOutput, outputTail } from '../sanitize';
import { diskFailure, fullDisk } from './disk-failure';
import type { Cause, Failure, RetryClass } from './failure-types';

export type { Cause, Failure, RetryClass } from './failure-types';

/** Output patterns that distinguish failures with the same exit code. The first match applies. */
export type FailureTable = readonly (readonly [RegExp, Failure])[];

export interface FailedPhase {
  node: string;
  phase: Phase;
  rc: number;
  /** The end of the job's log, not sanitised. */
  log: string;
  /** Whether packages are half-installed. Absent: unknown. */
  damaged?: boolean;
}

/** A failed phase as an error, with its retry class. */
export interface ClassifiedFailure extends ErrorInfo {
  retry: RetryClass;
}

/** Maximum characters of a reason: three lines of any tool. */
const MAX_REASON = 600;

/** Lines of explanation that are shown. */
export const MAX_REASON_LINES = 3;

export const LOCKED: Failure = {
  type: 'Busy',
  retry: 'transient',
  what: 'another program holds a package lock',
  remedy: 'let it end, then patch the node again',
};

export const UNREADABLE_REPOSITORY: Failure = {
  type: 'Repository',
  retry: 'transient',
  what: 'the package repositories cannot be read',
  remedy: 'check the mirrors and the network of the node',
};

export const UNSIGNED: Failure = {
  type: 'DecisionRequired',
  retry: 'decision',
  what: 'a repository or package is not signed by a trusted key',
  remedy: 'get the current key from the publisher, compare its fingerprint, and install it on the node',
};

/**
 * Lists, signatures, keys and certificates that are not valid yet, in the words of apt, GnuTLS, OpenSSL, GnuPG and
 * Sequoia.
 */
const NOT_YET_VALID =
  /is not valid yet|not yet valid|not live until|\d seconds in the future|time warp or clock problem/i;

const WRONG_CLOCK: Failure = {
  type: 'DecisionRequired',
  retry: 'decision',
  what: 'package lists, their signature or a certificate are not valid yet, so the clock of the node or of the mirror is wrong',
  remedy: 'set the clock of the node (`timedatectl set-ntp true`), then patch it again',
};

export const BROKEN_PACKAGE: Failure = {
  type: 'PackageManager',
  retry: 'permanent',
  what: 'a package could not be installed',
  remedy: 'read the log, repair the package on the node, then patch it again',
};

/**
 * The failure for an exit code of the helper; null for exit codes of a package manager. `look`: how to inspect the
 * node.
 */
function helperFailure(rc: number, look: string): Failure | null {
  switch (rc) {
    case RC_DISK_FULL:
      return {
        type: 'DiskFull',
        retry: 'permanent',
        what: 'the state directory cannot be written',
        remedy: 'free some space below /var/lib/ospatch',
      };
    case RC_STILL_BROKEN:
      return {
        type: 'PackagesBroken',
        retry: 'permanent',
        what: 'packages are still not fully installed after the repair',
        remedy: `${look} on the node`,
      };
    case RC_SCRIPT_FAILED:
      return {
        type: 'PackageManager',
        retry: 'permanent',
        what: 'packages were installed, but their own scripts failed',
        remedy: 'read the log, find out what those packages lack, and install them again',
      };
    case RC_NOT_APPLIED:
      return {
        type: 'PackageManager',
        retry: 'permanent',
        what: 'the package manager reported success, but the packages are not installed',
        remedy: 'look for settings that make it only simulate, e.g. no-act in /etc/dpkg/dpkg.cfg.d',
      };
    case RC_UNPLANNED:
      return {
        type: 'Policy',
        retry: 'decision',
        what: 'the package manager has updated itself, and its new version plans more than upgrades',
        remedy: 'read the log, then patch the node again',
      };
    case RC_UNREADABLE:
      return {
        type: 'PackagesBroken',
        retry: 'permanent',
        what: 'the package database cannot be read',
        remedy: `${look} on the node, and restore its database from a backup`,
      };
    case RC_LOCKED:
      return LOCKED;
    default:
      return null;
  }
}

/** Problems that a repair could not solve, in the helper's words, and the manual remedy. */
const UNREPAIRED: readonly (readonly [RegExp, string])[] = [
  [
    /^no package source has /,
    'have a package source offer that version or a newer one, or install it again on the node with `rpm -U --replacepkgs FILE`',
  ],
  [
    /^a rebuild of the rpm database /,
    'restore the rpm database from a backup (SUSE keeps some in /var/adm/backup/rpmdb), or reinstall the node',
  ],
  [/^a copy of the rpm database/, 'free some space below /var/lib/ospatch, then patch the node again'],
  [
    /^the older version of /,
    'find out what its script lacks, or erase that version without its scripts: `rpm -e --nodeps --noscripts`',
  ],
  [
    /^what was interrupted cannot be installed again by itself/,
    'install the package again by hand on the node, if what that does besides is wanted',
  ],
];

function unrepaired(failure: Failure, log: string, cause: Cause): { failure: Failure; reason: string } | null {
  const said = [...log.matchAll(/^ospatch: cannot repair: (.{1,300})$/gm)].map(([, text = '']) => text);
  const [first] = said;
  if (first === undefined) return null;
  const script = first.startsWith('the older version of ') ? [cause.reason] : [];
  const remedy = UNREPAIRED.find(([pattern]) => pattern.test(first))?.[1] ?? failure.remedy;
  return { failure: { ...failure, remedy }, reason: [...script, ...said.slice(0, MAX_REASON_LINES)].join('; ') };
}

export interface FailureRules {
  /** Display name of the package manager. */
  name: string;
  /** How to inspect the node, for failures reported by the helper itself. */
  look: string;
  table: FailureTable;
  /** Failures by exit code, for output that matches no pattern. */
  codes?: ReadonlyMap<number, Failure>;
  /** Finds the first cause in the sanitised log of the last attempt. */
  cause(lines: readonly string[]): Cause;
}

/** Higher codes are signal numbers of killed processes. */
const MAX_EXIT_CODE = 128;

/**
 * Classifies a failed phase: by the helper's exit codes, then by the first cause, then by the package manager's exit
 * codes. The message quotes the package manager.
 */
export function classifyFailure(failed: FailedPhase, symptoms: FailureRules): ClassifiedFailure {
  const log = lastTry(cleanOutput(failed.log));
  const cause = symptoms.cause(log.split('\n').map((line) => line.trimEnd()));
  const own = helperFailure(failed.rc, symptoms.look);
  if (own === LOCKED) return describeFailure(failed, own, lockHolder(log) ?? cause.reason);
  const left = own === null || failed.rc !== RC_STILL_BROKEN ? null : unrepaired(own, log, cause);
  if (left !== null) return describeFailure(failed, left.failure, left.reason);
  const texts = cause.text === null ? [cause.reason, log] : [cause.reason, cause.text];
  const byText = texts.flatMap((text) => symptoms.table.find(([pattern]) => pattern.test(text))?.[1] ?? [])[0];
  const found = own ??
    diskFailure(log, cause) ??
    (texts.some((text) => NOT_YET_VALID.test(text)) ? WRONG_CLOCK : null) ??
    byText ??
    symptoms.codes?.get(failed.rc) ?? {
      type: 'PackageManager',
      retry: failed.rc > MAX_EXIT_CODE ? 'transient' : 'permanent',
      what: `${symptoms.name} exited with code ${failed.rc}`,
      remedy: 'read the log of the job',
    };
  const holder = found.type === 'Busy' ? lockHolder(log) : null;
  const why = [cause.reason, holder ?? ''].filter((text) => text !== '').join('; ');
  const failure = failed.damaged === false ? (found.undamaged ?? found) : found;
  return describeFailure(failed, failure, why, found.type === 'DiskFull' ? null : fullDisk(log));
}

/** One sentence: phase, node, failure, and the package manager's message. */
function describeFailure(
  { node, phase, rc, log }: FailedPhase,
  failure: Failure,
  reason: string,
  beside: { what: string; remedy: string } | null = null,
): ClassifiedFailure {
  const why = plainText(reason.replace(/\s+/g, ' ').replace(/[.:;]+$/, ''), MAX_REASON);
  return {
    type: failure.type,
    retry: failure.retry,
    message: `${phase} failed on ${node}: ${failure.what}${why === '' ? '' : ` (${why})`}${beside === null ? '' : `, and ${beside.what}`}`,
    remedy: beside === null ? failure.remedy : `${beside.remedy}; if it fails again, ${failure.remedy}`,
    details: { phase, rc, tail: outputTail(log) },
  };
}

/** The helper logs each retry; output before the last one is obsolete. */
function lastTry(log: string): string {
  const at = log.lastIndexOf('\nospatch: trying again');
  return at === -1 ? log : log.slice(log.indexOf('\n', at + 1) + 1);
}

/** The lock holder that the helper logged. */
function lockHolder(log: string): string | null {
  return /^ospatch: gave up waiting: (.{1,300})$/m.exec(log)?.[1] ?? null;
}
