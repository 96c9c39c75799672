/** apt 1.6 to 3.0 with dpkg: Debian and Ubuntu. */
import { plainText } from '../../domain/shared/text';
import { aptCause } from './apt-cause';
import { parseAptPlan } from './apt-plan';
import type { Cause, Failure, FailureTable, FailureRules } from './failure';
import { LOCKED, UNREADABLE_REPOSITORY, UNSIGNED, classifyFailure } from './failure';
import { parseReport } from './report';
import type { PackageManager, PhaseEvent } from './types';

const MAX_LISTED = 20;

const UNAUTHENTICATED = /The following packages cannot be authenticated!\n((?: .*\n?)+)/;

const BAD_CONFIGURATION: Failure = {
  type: 'PackageManager',
  retry: 'permanent',
  what: 'apt cannot read its configuration',
  remedy: 'correct it (/etc/apt) until `apt-get update` succeeds on the node',
};

const BROKEN_PACKAGES: Failure = {
  type: 'PackagesBroken',
  retry: 'permanent',
  what: 'a package could not be installed',
  remedy: 'read the log, repair the package on the node, then patch it again',
};

const REFUSED_PACKAGE: Failure = {
  type: 'PackageManager',
  retry: 'permanent',
  what: 'a package could not be installed and was left unchanged',
  remedy: 'correct what its script or dpkg reports, or exclude the package (patching.packages.exclude)',
};

/** Output of a script that needs an answer, which only an administrator can give. */
const QUESTION =
  /(?:cannot open|can't open) \/dev\/tty|\/dev\/tty: No such device|\[y(?:es)?\/n(?:o)?\]|\(y(?:es)?\/n(?:o)?\)|\b(?:licen[cs]e|EULA|agreement)\b[^;\n]{0,80}(?:\bnot (?:been )?(?:accepted|agreed)|\bdeclined|\bpresented|\brefused)|(?:\bmust|\bnot|\bplease|\bdo you) (?:first )?(?:accept|agree)\b[^;\n]{0,80}\b(?:licen[cs]e|EULA|agreement)\b/i;

function damagedStatus(remedy: string): Failure {
  return { type: 'PackagesBroken', retry: 'permanent', what: 'the database of dpkg is damaged', remedy };
}

/** apt exits with 100 for every failure, so failures are classified by text. The first match applies. */
const FAILURES: FailureTable = [
  [
    /its copy \/var\/lib\/dpkg\/status-old is whole/,
    damagedStatus(
      'run `cp -p /var/lib/dpkg/status-old /var/lib/dpkg/status` on the node, which lacks the last change at most, then patch it again',
    ),
  ],
  [
    /its copy \/var\/backups\/dpkg\.status\.0 is whole/,
    damagedStatus(
      'run `cp -p /var/backups/dpkg.status.0 /var/lib/dpkg/status` on the node, install again what /var/log/dpkg.log names since then, and patch the node again',
    ),
  ],
  [
    /dpkg cannot read its database: |\/dpkg\/status does not name \d+ packages/,
    damagedStatus('restore what dpkg names (below /var/lib/dpkg) from a backup, then patch the node again'),
  ],
  [
    /unknown system (?:user|group) .{1,100} in statoverride file/,
    {
      type: 'PackageManager',
      retry: 'permanent',
      what: 'dpkg does not know a user or group that its statoverride file names',
      remedy:
        'create it again, or remove its line with `dpkg-statoverride --remove FILE` (`dpkg-statoverride --list` shows all), then patch the node again',
    },
  ],
  [
    /Unable to parse package file \S*\/extended_states/,
    {
      type: 'PackageManager',
      retry: 'permanent',
      what: 'apt cannot read its list of automatically installed packages',
      remedy:
        'move /var/lib/apt/extended_states away on the node (a copy may be in /var/backups), then patch it again; without it every package counts as installed by hand',
    },
  ],
  [
    /needs to be reinstalled, but I can't find an archive for it/,
    {
      type: 'PackagesBroken',
      retry: 'permanent',
      what: 'a half-installed package is neither in a package source nor in the cache of apt any more',
      remedy: 'get its package file and run `dpkg -i` on it, or offer it again; is it excluded or pinned?',
    },
  ],
  [
    /changed its '(?:Codename|Suite|Version)' value/,
    {
      type: 'DecisionRequired',
      retry: 'decision',
      what: 'a repository now serves another release, which has to be accepted by hand',
      remedy:
        'name the release you want in the sources of the node, or, if this is it, run `apt-get update --allow-releaseinfo-change` there',
    },
  ],
  [
    /changed its '[A-Za-z-]{1,40}' value/,
    {
      type: 'DecisionRequired',
      retry: 'decision',
      what: 'a repository changed its Origin or Label, which has to be accepted by hand',
      remedy:
        'find out whether its publisher has announced this, then run `apt-get update --allow-releaseinfo-change` on the node',
    },
  ],
  [
    /debconf: .*is locked by another process/,
    {
      type: 'Busy',
      retry: 'transient',
      what: 'another program has locked the database of debconf',
      remedy: 'end it (`fuser -v /var/cache/debconf/config.dat` names it), then patch the node again',
    },
  ],
  [
    /cannot lock \/etc\/(?:passwd|shadow|group|gshadow|subuid|subgid)|\/etc\/\.pwd\.lock/,
    {
      type: 'Busy',
      retry: 'transient',
      what: 'another program has locked the user database',
      remedy: 'end it (`fuser -v /etc/.pwd.lock` names it), then patch the node again',
    },
  ],
  [
    /dpkg was interrupted|Unmet dependencies/,
    {
      type: 'PackagesBroken',
      retry: 'permanent',
      what: 'the package database is not consistent',
      remedy: 'check `apt-get check` on the node',
    },
  ],
  [
    /held broken packages|Unable to satisfy dependencies/,
    {
      type: 'PackagesBroken',
      retry: 'permanent',
      what: 'the updates have unmet dependencies',
      remedy: 'check `apt-get -s dist-upgrade` on the node',
    },
  ],
  [/BADSIG|has been manipulated|Bad signature|Clearsigned file isn't valid/i, UNREADABLE_REPOSITORY],
  [
    /unauthenticated packages|NO_PUBKEY|EXPKEYSIG|REVKEYSIG|KEYEXPIRED|is (?:not|no longer) signed|cannot be authenticated|signatures couldn't be verified|signatures were invalid|[Ss]ignature verification failed|Missing key |Signing key on |sqv returned an error/,
    UNSIGNED,
  ],
  [
    /Packages need to be removed but remove is disabled|Packages were downgraded|held packages were changed/i,
    {
      type: 'Policy',
      retry: 'decision',
      what: 'packages would be removed, downgraded or taken off hold',
      remedy: 'resolve it on the node by hand',
    },
  ],
  [/Could not get lock|Unable to acquire the dpkg frontend lock|was locked by another process/, LOCKED],
  [
    /The list of sources could not be read|Malformed |Conflicting values set|Syntax error |Extra junk at|Unknown error executing|Unable to parse package file|Did not understand pin|The method driver .* could not be found|Invalid record in the preferences/,
    BAD_CONFIGURATION,
  ],
  [
    /Failed to fetch|Temporary failure resolving|Hash Sum mismatch|Some index files failed|Unable to fetch some archives|does not have a Release file|Could not resolve|Could not connect|File has unexpected size|Release file .* is expired/,
    UNREADABLE_REPOSITORY,
  ],
  [
    /Problem executing scripts|Failure running script/,
    {
      type: 'PackageManager',
      retry: 'permanent',
      what: 'a hook of apt has failed',
      remedy: 'fix what the hook reports; hooks are in /etc/apt/apt.conf.d on the node',
    },
  ],
  [
    /files list file for package '[^']{1,200}' (?:is|contains|has) |parsing file '\/var\/lib\/dpkg\/updates\//,
    {
      type: 'PackagesBroken',
      retry: 'permanent',
      what: 'dpkg cannot read a file of its database',
      remedy: 'patch the node again, which sets that file aside and reinstalls its package',
    },
  ],
  [
    /dpkg: unrecoverable fatal error/,
    {
      type: 'PackageManager',
      retry: 'permanent',
      what: 'dpkg cannot work with its database',
      remedy: 'correct what dpkg names (below /var/lib/dpkg), then patch the node again',
    },
  ],
  [
    QUESTION,
    {
      type: 'DecisionRequired',
      retry: 'decision',
      what: 'a package asks a question, and there is no terminal to answer on',
      remedy:
        'run `apt-get dist-upgrade` in a terminal on the node and answer it, or give the answer with `debconf-set-selections`, then patch the node again',
    },
  ],
  [
    /diversion of \S+ (?:to|by) .{1,300} clashes with /,
    {
      type: 'DecisionRequired',
      retry: 'decision',
      what: 'two diversions of the same file clash',
      remedy:
        'remove the one that is not needed (`dpkg-divert --list FILE` shows it, `dpkg-divert --remove FILE` removes it), then patch the node again',
    },
  ],
  [
    /trying to overwrite (?:shared )?'/,
    {
      type: 'DecisionRequired',
      retry: 'decision',
      what: 'two packages conflict over the same file',
      remedy:
        'remove the one that is not needed, or exclude the update (patching.packages.exclude) until its publisher has fixed it',
    },
  ],
  [/error processing (?:archive|package) /, { ...BROKEN_PACKAGES, undamaged: REFUSED_PACKAGE }],
  [/Sub-process .*dpkg returned an error code|dpkg: error|dpkg: dependency problems/, BROKEN_PACKAGES],
];

export const apt: PackageManager = {
  words: {
    plan: 'check `apt-get -s dist-upgrade`',
    repair: 'run `dpkg --configure -a` and `apt-get -f install`',
  },

  parsePlan: parseAptPlan,

  parseReport,

  readProgress(line: string): PhaseEvent | null {
    const holder = /^Waiting for cache lock: .*held by process (\d+) \(([^)]{1,40})\)/.exec(line);
    if (holder !== null) return { event: 'lock-held', by: plainText(`${holder[2]} (pid ${holder[1]})`, 80) };
    if (line.startsWith('Setting up ')) return { event: 'package-finished' };
    return line.startsWith('Unpacking ') ? { event: 'package-started' } : null;
  },

  isFetched: (line) => line.startsWith('Get:'),

  classify: (failed) => classifyFailure(failed, FAILURE_RULES),
};

const FAILURE_RULES: FailureRules = { name: 'apt', look: 'check `dpkg --audit`', table: FAILURES, cause: causeOf };

function causeOf(lines: readonly string[]): Cause {
  const cause = aptCause(lines);
  if (!cause.reason.includes('unauthenticated packages')) return cause;
  const names = UNAUTHENTICATED.exec(`${lines.join('\n')}\n`)?.[1]
    ?.trim()
    .split(/\s+/)
    .slice(0, MAX_LISTED);
  return names === undefined ? cause : { ...cause, reason: `${names.join(', ')}: ${cause.reason}` };
}
