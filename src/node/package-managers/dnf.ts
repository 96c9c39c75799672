/** dnf 4 and 5, and yum 3: Red Hat Enterprise Linux and its rebuilds, CentOS Stream, Fedora, Amazon Linux. */
import type { Cause, FailureTable, FailureRules } from './failure';
import { BROKEN_PACKAGE, LOCKED, UNREADABLE_REPOSITORY, UNSIGNED, classifyFailure } from './failure';
import type { CauseRules } from './first-cause';
import { firstCause } from './first-cause';
import { parseReport } from './report';
import { parseRpmPlan } from './rpm-plan';
import type { PackageManager, PhaseEvent } from './types';

/** dnf exits with 1 for nearly every failure, so failures are classified by text. The first match applies. */
const FAILURES: FailureTable = [
  [
    /^Importing (?:Open)?[GP]\w+ key 0x/,
    {
      type: 'DecisionRequired',
      retry: 'decision',
      what: 'a repository shows a key that nobody has accepted yet',
      remedy: 'compare the fingerprint with what the publisher says, then accept it with `dnf makecache` on the node',
    },
  ],
  [
    /repomd\.xml GPG signature verification error/i,
    {
      type: 'DecisionRequired',
      retry: 'decision',
      what: 'the lists of a repository are not signed by the key the node has for it',
      remedy: 'get the current key from the publisher, and name it in `gpgkey` of the repository on the node',
    },
  ],
  // The key server failed, not the key.
  [/key.*(?:Curl error \((?:5|6|7|18|28|35|52|55|56)\)|Status code: 5\d\d)/, UNREADABLE_REPOSITORY],
  [
    /GPG check FAILED|is not signed|Public key for .* is not installed|The GPG keys listed|GPG key retrieval failed|(?:Failed|Couldn't) (?:to )?retrieve (?:GPG|OpenPGP|public) key|GPG keys listed .* not correct|(?:Open)?PGP (?:check|signature|verification).*(?:failed|not available|error|not valid)|GPG signature|GPG verification is enabled|Signature verification failed|didn't install any keys|do not have any GPG public keys installed|public key .*(?:expired|revoked)|Failed to (?:import|read) .*key|NOKEY|signature.*(?:expired|SHA1)/i,
    UNSIGNED,
  ],
  [
    /not registered|subscription-manager|entitlement (?:has )?expired|SSL_ERROR.*entitlement|HTTP(?: error)?(?: code)?:? 403.*cdn/i,
    {
      type: 'DecisionRequired',
      retry: 'decision',
      what: 'the subscription of the node does not give it these packages',
      remedy: 'check `subscription-manager status` on the node, and register it or renew the subscription',
    },
  ],
  [
    /Config(?:uration)? error|Error in configuration file|No valid source |Invalid configuration|Cannot find a valid baseurl|Parsing file .* failed|Missing or invalid|Config file .*(?:not|cannot)|missing (?:name|baseurl)/i,
    {
      type: 'PackageManager',
      retry: 'permanent',
      what: 'the configuration of the repositories cannot be used',
      remedy: 'correct it (/etc/yum.repos.d and /etc/dnf) until `dnf makecache` succeeds on the node',
    },
  ],
  [
    /Failed to download metadata|Cannot download repomd\.xml|Cannot prepare internal mirrorlist|Failed to synchronize cache|All mirrors were (?:already )?tried|Curl error|Could not resolve host|Error downloading packages|Cannot retrieve repository metadata|Cannot retrieve metalink|Status code: \d{3}|Librepo error|Downloading (?:error|failed)|Failed to download|No more mirrors to try|repomd\.xml (?:GPG|signature)|[Cc]hecksum(?:s)? (?:doesn't|do not|error)|incorrect checksum|Error opening .*\.rpm/i,
    UNREADABLE_REPOSITORY,
  ],
  [
    /Failed to obtain (?:the |rpm )?(?:transaction )?lock|lock on .*\.rpm\.lock|can't create transaction lock|Failed to lock|exit_on_lock|Another transaction is in progress/i,
    LOCKED,
  ],
  [
    /rpmdb: .*(?:damaged|corrupt|recovery)|rpmdb open failed|database disk image is malformed|file is not a database|cannot open Packages|Error: rpmdb/i,
    {
      type: 'PackagesBroken',
      retry: 'permanent',
      what: 'the rpm database is damaged',
      remedy: 'check `rpm --verifydb` on the node',
    },
  ],
  [
    /file .* conflicts (?:between|with file)/i,
    {
      type: 'PackageManager',
      retry: 'permanent',
      what: 'two packages conflict over the same file',
      remedy: 'remove or exclude one of the two on the node, then patch it again',
    },
  ],
  [
    /Problem(?: \d+)?: |Depsolve Error|conflicts with|nothing provides|package .* requires .*, but none|Failed to resolve the transaction/i,
    {
      type: 'Policy',
      retry: 'decision',
      what: 'the updates have unmet dependencies',
      remedy: 'run `dnf upgrade --assumeno` on the node and resolve it by hand',
    },
  ],
  [
    /Error in (?:PRE|POST|TRIGGER)\w* scriptlet|scriptlet failed|Error in .*scriptlet|Transaction (?:test )?(?:failed|error)|Error unpacking rpm package|unpacking of archive failed|cpio: /i,
    BROKEN_PACKAGE,
  ],
];

const CAUSE: CauseRules = {
  error:
    /^(?:Is this ok \[y\/N\]: *)?(?:[Ee]rrors?:?(?! Summary)\b|>>> (?:Error|Failed)|Failed |Cannot |Package ".*" from|Public key for|Config|Parsing file|\[RPM\]| *Problem(?: \d+)?: |  - \S| ?>>> (?:Status code|Curl error|Librepo)|.* from repo.* (?:is not signed|verification)|The GPG keys listed|Problem repository: |\S+ is a duplicate with |\S+ has missing requires of )/,
  summary:
    /^(?:Error: (?:Transaction failed|Check discovered|GPG check FAILED|Error downloading packages:?$)|Error in \w+ scriptlet|Transaction failed|Failed:|Failed to download packages)/,
  scripts: [
    /^error: %\w+\(|^>>> Error in .*scriptlet/,
    /^warning: %\w+\(|^>>> Non-critical error in .*scriptlet/,
    /^Error in \w+ scriptlet/,
  ],
  progress:
    /^(?:Running |Preparing |Upgrading |Updating |Installing |Cleanup |Erasing |Verifying |Removing |Transaction |Downloading |\[ *\d+\/\d+\]|>>> (?:Running|Finished)|Total|-----)/,
  continuation: /^ +\S|^>>> |^- /,
  prefix: /^(?:Is this ok \[y\/N\]: *)?(?:[Ee]rror: ?|- )?/,
};

const FINISHED = /^(?:\[ *\d+\/ *\d+\] )? *(?:Upgrading|Updating|Installing) *:? +\S/;

export const dnf: PackageManager = {
  words: { plan: 'check `dnf upgrade --assumeno`', repair: 'check `dnf check` and run `dnf remove --duplicates`' },

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

  isFetched: (line) => /^\(\d+\/\d+\): |^\[ *\d+\/\d+\] /.test(line),

  classify: (failed) => classifyFailure(failed, FAILURE_RULES),
};

const FAILURE_RULES: FailureRules = { name: 'dnf', look: dnf.words.repair, table: FAILURES, cause: causeOf };

/** The key details are printed above the question. */
function causeOf(lines: readonly string[]): Cause {
  const cause = firstCause(lines, CAUSE);
  const at = lines.findIndex(
    (line) => line.startsWith('Importing GPG key ') || line.startsWith('Importing OpenPGP key '),
  );
  const isAsked = lines.some((line) => line.startsWith('Is this ok [y/N]:'));
  if (at === -1 || !isAsked) return cause;
  const key = lines.slice(at, at + 4).map((line) =>
    line
      .trim()
      .replace(/\s+/g, ' ')
      .replace(/ ?:( |$)/, ': ')
      .trim(),
  );
  return { ...cause, reason: `${key.join(', ').replace(':,', ':')}; ${cause.reason}` };
}
