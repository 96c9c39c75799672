/** dnf 4 and 5, and yum 3: Red Hat Enterprise Linux and its rebuilds, CentOS Stream, Fedora, Amazon Linux. */
import { plainText } from '../../domain/text';
import { cleanOutput } from '../sanitize';
import type { FailureTable } from './failure';
import { DISK_FULL, LOCKED, UNREADABLE_REPOSITORY, UNSIGNED, describeFailure, findFailure } from './failure';
import { parseReport } from './report';
import { parseRpmPlan } from './rpm-plan';
import type { PackageManager, PhaseEvent } from './types';

/** dnf ends with 1 for nearly everything, so its text has to tell. */
const FAILURES: FailureTable = [
  [/No space left on device|needs \S+ more space on the|At least \S+ more space needed/, DISK_FULL],
  [
    /GPG check FAILED|is not signed|Public key for .* is not installed|GPG key retrieval failed|GPG keys listed .* not correct|OpenPGP check .* failed|Signature verification failed|didn't install any keys|do not have any GPG public keys installed/i,
    UNSIGNED,
  ],
  [
    /Failed to download metadata|Cannot download repomd\.xml|Cannot prepare internal mirrorlist|Failed to synchronize cache|All mirrors were (?:already )?tried|Curl error|Could not resolve host|Error downloading packages|Cannot retrieve repository metadata|Cannot retrieve metalink|repomd\.xml (?:GPG|signature)|Checksum(?:s)? (?:doesn't|do not|error)/i,
    UNREADABLE_REPOSITORY,
  ],
  [/Failed to obtain the (?:transaction )?lock|lock on .*\.rpm\.lock|Failed to lock|exit_on_lock/i, LOCKED],
  [
    /rpmdb: .*(?:damaged|corrupt|recovery)|rpmdb open failed|database disk image is malformed|cannot open Packages/i,
    { type: 'PackagesBroken', what: 'the rpm database is damaged', remedy: 'look at `rpm --verifydb` on the node' },
  ],
  [
    /Problem(?: \d+)?: |Depsolve Error|conflicts with|file .* conflicts between|nothing provides|package .* requires .*, but none/i,
    {
      type: 'Policy',
      what: 'the dependencies of the updates cannot be met',
      remedy: 'run `dnf upgrade --assumeno` on the node and resolve it by hand',
    },
  ],
  [
    /Error in PRE(?:IN|UN) scriptlet|scriptlet failed|Transaction failed|Error unpacking rpm package|cpio: /i,
    {
      type: 'PackageManager',
      what: 'a package could not be installed',
      remedy: 'read the log, mend the package on the node, then patch it again',
    },
  ],
];

const FINISHED = /^(?:\[ *\d+\/ *\d+\] )? *(?:Upgrading|Updating|Installing) *:? +\S/;

export const dnf: PackageManager = {
  words: { plan: 'look at `dnf upgrade --assumeno`', repair: 'look at `dnf check` and run `dnf remove --duplicates`' },

  parsePlan: (result, os, policy) => parseRpmPlan('same-major', result, os, policy),

  parseReport,

  readProgress(line: string): PhaseEvent | null {
    const pid = /^Waiting for process with pid (\d+) to finish|^ *The application with PID (\d+) is/.exec(line);
    if (pid !== null) return { event: 'lock-held', by: `pid ${pid[1] ?? pid[2]}` };
    if (/^Another app is currently holding the yum lock|waiting for transaction lock on /.test(line))
      return { event: 'lock-held', by: 'another package manager' };
    if (/^Running transaction(?: check)?$/.test(line)) return { event: 'package-started' };
    return FINISHED.test(line) ? { event: 'package-finished' } : null;
  },

  classify(failed) {
    const symptoms = { name: 'dnf', look: dnf.words.repair, table: FAILURES };
    return describeFailure(failed, findFailure(failed, symptoms), errorLine(failed.log));
  },
};

/** dnf's own last word on it; after a bare `Error:` it stands on the next line. */
function errorLine(log: string): string {
  const lines = cleanOutput(log).split('\n');
  const at = lines.findLastIndex((text) =>
    /^(?:Error|error|Failed|warning: %\w+\(|Error in \w+ scriptlet)/.test(text.trim()),
  );
  const line = lines[at]?.trim() ?? '';
  const text = line === 'Error:' ? (lines[at + 1]?.trim() ?? '') : line.replace(/^[Ee]rror: /, '');
  return plainText(text.replace(/\.$/, ''), 200);
}
