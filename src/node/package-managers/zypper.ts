/** zypper 1.14: SUSE Linux Enterprise Server and openSUSE Leap. */
import { plainText } from '../../domain/shared/text';
import type { Cause, Failure, FailureTable, FailureRules } from './failure';
import { BROKEN_PACKAGE, LOCKED, UNREADABLE_REPOSITORY, UNSIGNED, classifyFailure } from './failure';
import type { CauseRules } from './first-cause';
import { firstCause } from './first-cause';
import { parseReport } from './report';
import { parseRpmPlan } from './rpm-plan';
import type { PackageManager, PhaseEvent } from './types';

const UNRESOLVED: Failure = {
  type: 'Policy',
  retry: 'decision',
  what: 'the patches have unmet dependencies',
  remedy: 'run `zypper patch --dry-run` on the node and resolve it by hand',
};

const FAILURES: FailureTable = [
  [/System management is locked/, LOCKED],
  [
    /New repository or package signing key received|Do you want to reject the key/,
    {
      type: 'DecisionRequired',
      retry: 'decision',
      what: 'a repository shows a key that nobody has accepted yet',
      remedy: 'compare the fingerprint with what the publisher says, then accept it with `zypper refresh` on the node',
    },
  ],
  [/was modified after it has been signed|Signature verification failed for file/i, UNREADABLE_REPOSITORY],
  [
    /Signature verification failed|is unsigned|not signed|unknown key|public key is not available|NOKEY|key .*(?:expired|revoked)/i,
    UNSIGNED,
  ],
  [
    /[Ll]icen[sc]e.*(?:agree|accept|confirm)|(?:agree|accept) .*(?:licen[sc]e|terms)|EULA/,
    {
      type: 'DecisionRequired',
      retry: 'decision',
      what: 'a licence or agreement has to be accepted',
      remedy: 'read it and accept it with `zypper patch` on the node',
    },
  ],
  [
    /SUSEConnect|not registered|subscription.*expired|System management.*registration|Permission to access .* denied/i,
    {
      type: 'DecisionRequired',
      retry: 'decision',
      what: 'the registration of the node does not give it these packages',
      remedy: 'check `SUSEConnect --status-text` on the node, and register it or renew the subscription',
    },
  ],
  [/^ *Problem(?: \d+)?: |Some of the dependencies of installed packages are broken/m, UNRESOLVED],
  [
    /Line \d+ contains garbage|Unexpected exception|No such (?:repository|service)|Malformed URI|Repository .*(?:no URI|lacks)/i,
    {
      type: 'PackageManager',
      retry: 'permanent',
      what: 'the configuration of the repositories cannot be used',
      remedy: 'correct it (/etc/zypp/repos.d) until `zypper refresh` succeeds on the node',
    },
  ],
  [
    /rpmdb open failed|database disk image is malformed|file is not a database|cannot open Packages|Target initialization failed/i,
    {
      type: 'PackagesBroken',
      retry: 'permanent',
      what: 'the rpm database is damaged',
      remedy: 'check `rpm --verifydb` on the node',
    },
  ],
  [
    /file .* conflicts (?:between|with file)|Detected \d+ file conflict|File conflicts? (?:happen|detected)/i,
    {
      type: 'PackageManager',
      retry: 'permanent',
      what: 'two packages conflict over the same file',
      remedy: 'remove or exclude one of the two on the node, then patch it again',
    },
  ],
  [/scriptlet failed|Installation of .* failed|Subprocess failed|unpacking of archive failed|cpio: /i, BROKEN_PACKAGE],
  [
    /Valid metadata not found|not found on medium|Download \(curl\) error|Can't provide|Failed to (?:download|retrieve|provide)|does not contain the desired medium|Media (?:Exception|exception)|[Cc]hecksum|Digest verification failed|Unable to retrieve|Could not resolve host|Timeout exceeded/,
    UNREADABLE_REPOSITORY,
  ],
];

/** Failures by exit code, for output that matches no pattern. */
const CODES: ReadonlyMap<number, Failure> = new Map<number, Failure>([
  [
    4,
    {
      type: 'PackageManager',
      retry: 'permanent',
      what: 'zypper found a problem that it cannot solve automatically',
      remedy: 'run `zypper patch --dry-run` on the node',
    },
  ],
  [
    6,
    {
      type: 'Repository',
      retry: 'permanent',
      what: 'no package repositories are defined',
      remedy: 'add them, or register the node with SUSE',
    },
  ],
  [7, LOCKED],
  [8, BROKEN_PACKAGE],
  [
    103,
    {
      type: 'PackageManager',
      retry: 'permanent',
      what: 'zypper keeps updating itself and asks to be run again',
      remedy: 'read the log, then patch the node again',
    },
  ],
  [104, UNREADABLE_REPOSITORY],
  [
    105,
    {
      type: 'PackageManager',
      retry: 'transient',
      what: 'zypper was ended by a signal',
      remedy: 'find out by what, then patch again',
    },
  ],
  [106, UNREADABLE_REPOSITORY],
]);

const CAUSE: CauseRules = {
  error:
    /^(?:Problem(?: \d+)?: |[Ee]rror\b|Repository '.*' is invalid|File '.*' not found on medium|Installation of .* failed|Target initialization failed|\S.*: Section .* contains garbage|Problem retrieving|Failed to |Media source |Download \(curl\) error|Detected \d+ file conflict|Package .* seems to be corrupted|System management is locked|Warning: File '.*' from repository '.*' is (?:unsigned|signed with)|Signature verification failed|.*(?:NOKEY|verification failed))/,
  summary:
    /^(?:Error building the cache|Error code|Error message|Repository '.*' is invalid|Problem occurred|error: cannot open Packages)/,
  scripts: [/^(?:error|warning): %\w+\(|^%\w+\(.*scriptlet failed/],
  progress:
    /^(?:\( *\d+\/\d+\)|Installing:|Retrieving|Checking |Loading |Reading |Additional rpm output|Removing:|Installation of)/,
  continuation:
    /^\s+\S|^Error: Subprocess failed|^rpm: |^\[.*\|.*\]|^History:|^- |^Error (?:code|message):|^nothing provides/,
  prefix: /^[Ee]rror: /,
};

export const zypper: PackageManager = {
  words: {
    plan: 'check `zypper patch --dry-run`',
    repair: 'check `zypper verify`, and erase the older of two versions with `rpm -e --nodeps NAME-VERSION`',
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

  isFetched: (line) => line.startsWith('Retrieving: ') || line.startsWith('Retrieving package '),

  classify: (failed) => classifyFailure(failed, FAILURE_RULES),
};

const FAILURE_RULES: FailureRules = {
  name: 'zypper',
  look: zypper.words.repair,
  table: FAILURES,
  codes: CODES,
  cause: causeOf,
};

const KEY_FIELDS = /^(?:Repository|Key Name|Key Fingerprint|Key Expires|Key ID): +/;

function causeOf(raw: readonly string[]): Cause {
  // With --xmlout every message is an XML element.
  const lines = raw.flatMap((line) =>
    line
      .replace(/<[^>]*>/g, '\n')
      .replace(/&apos;/g, "'")
      .split('\n'),
  );
  const atKey = lines.findIndex((line) => line.startsWith('New repository or package signing key received'));
  if (atKey !== -1) {
    const key = lines
      .slice(atKey + 1, atKey + 12)
      .flatMap((line) => (KEY_FIELDS.test(line.trim()) ? [line.trim()] : []));
    return { reason: key.join(', ').replace(/ {2,}/g, ' '), text: lines.slice(atKey).join('\n') };
  }
  const atRepository = lines.findIndex((line) => /^(?:Repository '.*' is invalid|Error building the cache)/.test(line));
  const atConflict = lines.findIndex((line) => line.startsWith('Detected ') && line.includes(' file conflict'));
  if (atConflict !== -1) {
    const conflict = lines.slice(atConflict, atConflict + 7).map((line) => line.trim());
    return { reason: conflict.join(' '), text: conflict.join(' ') };
  }
  const isUnsigned = lines.find((line) =>
    /^Warning: File '.*' from repository '.*' is (?:unsigned|signed with)/.test(line),
  );
  if (isUnsigned === undefined && atRepository !== -1) return repositoryCause(lines, atRepository);
  return firstCause(lines, CAUSE);
}

/** The repository and the last lines of its history, which are the most specific. */
function repositoryCause(lines: readonly string[], at: number): Cause {
  const repository = /^\[(.*)\|(.*)\]/.exec(lines[at + 1] ?? '');
  const rest = lines.slice(at + 1, at + 12);
  const end = rest.findIndex((line) =>
    /^(?:Please check|(?:Warning: )?Skipping|Could not refresh|Some of the)/.test(line),
  );
  const history = (end === -1 ? rest : rest.slice(0, end))
    .map((line) => line.trim().replace(/^- (?:\[\|\] )?/, ''))
    .filter((line) => line !== '' && !/^(?:History:|\[|Error trying to read|Can't provide|Error code:)/.test(line));
  const name = repository === null ? (lines[at] ?? '') : `${repository[1]} at ${repository[2]}`;
  return { reason: [name, ...history.slice(0, 3)].join('; ').replace(/:; /g, ': '), text: lines.slice(at).join('\n') };
}
