/** zypper 1.14: SUSE Linux Enterprise Server and openSUSE Leap. */
import { plainText } from '../../domain/text';
import { cleanOutput } from '../sanitize';
import type { Failure, FailureTable } from './failure';
import { DISK_FULL, LOCKED, UNREADABLE_REPOSITORY, UNSIGNED, describeFailure, findFailure } from './failure';
import { parseReport } from './report';
import { parseRpmPlan } from './rpm-plan';
import type { PackageManager, PhaseEvent } from './types';

const UNRESOLVED: Failure = {
  type: 'Policy',
  what: 'the dependencies of the patches cannot be met',
  remedy: 'run `zypper patch --dry-run` on the node and resolve it by hand',
};

const FAILURES: FailureTable = [
  [/No space left on device|Not enough disk space|disk usage/i, DISK_FULL],
  [/Signature verification failed|is unsigned|not signed|unknown key|public key is not available/i, UNSIGNED],
  [/System management is locked/, LOCKED],
  [/^Problem: |Some of the dependencies of installed packages are broken/m, UNRESOLVED],
  [
    /rpmdb open failed|database disk image is malformed|cannot open Packages/i,
    { type: 'PackagesBroken', what: 'the rpm database is damaged', remedy: 'look at `rpm --verifydb` on the node' },
  ],
];

/** What the exit codes mean where the text does not say more. */
const CODES: ReadonlyMap<number, Failure> = new Map([
  [
    4,
    {
      type: 'Policy',
      what: 'zypper found a problem that a person has to decide',
      remedy: 'run `zypper patch --dry-run` on the node',
    },
  ],
  [
    6,
    {
      type: 'Repository',
      what: 'no package repositories are defined',
      remedy: 'add them, or register the node with SUSE',
    },
  ],
  [7, LOCKED],
  [
    8,
    {
      type: 'PackageManager',
      what: 'a package could not be installed',
      remedy: 'read the log, mend the package on the node, then patch it again',
    },
  ],
  [
    103,
    {
      type: 'PackageManager',
      what: 'zypper keeps updating itself and asks to be run again',
      remedy: 'read the log, then patch the node again',
    },
  ],
  [104, UNREADABLE_REPOSITORY],
  [105, { type: 'PackageManager', what: 'zypper was ended by a signal', remedy: 'find out by what, then patch again' }],
  [106, UNREADABLE_REPOSITORY],
]);

export const zypper: PackageManager = {
  words: {
    plan: 'look at `zypper patch --dry-run`',
    repair: 'look at `zypper verify` and at packages that `rpm -qa` names twice',
  },

  parsePlan: (result, os, policy) => parseRpmPlan('same-release', result, os, policy),

  parseReport,

  readProgress(line: string): PhaseEvent | null {
    const holder = /System management is locked by the application with pid (\d+) \(([^)]{1,80})\)/.exec(line);
    if (holder !== null) {
      const program = (holder[2] ?? '').replace(/.*\//, '');
      return { event: 'lock-held', by: plainText(`${program} (pid ${holder[1]})`, 80) };
    }
    if (/waiting for transaction lock on /.test(line)) return { event: 'lock-held', by: 'another package manager' };
    return /^\( *\d+\/\d+\) Installing: /.test(line) ? { event: 'package-finished' } : null;
  },

  classify(failed) {
    const symptoms = { name: 'zypper', look: zypper.words.repair, table: FAILURES, codes: CODES };
    return describeFailure(failed, findFailure(failed, symptoms), errorLine(failed.log));
  },
};

function errorLine(log: string): string {
  const line = cleanOutput(log)
    .replace(/<[^>]*>/g, ' ')
    .split('\n')
    .map((text) => text.trim())
    .findLast((text) => /^(?:Problem: |Error|warning: %\w+\(|Installation of .* failed|.* failed\.?$)/.test(text));
  return line === undefined ? '' : plainText(line.replace(/\.$/, ''), 200);
}
