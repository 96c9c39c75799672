/** apt 1.6 to 3.0 with dpkg: Debian and Ubuntu. */
import { plainText } from '../../domain/text';
import { cleanOutput } from '../sanitize';
import { parseAptPlan } from './apt-plan';
import type { Failure, FailureTable } from './failure';
import { DISK_FULL, LOCKED, UNREADABLE_REPOSITORY, UNSIGNED, describeFailure, helperFailure } from './failure';
import { parseReport } from './report';
import type { PackageManager, PhaseEvent } from './types';

const MAX_LISTED = 200;

const UNAUTHENTICATED = /The following packages cannot be authenticated!\n((?: .*\n?)+)/;

/** apt ends every failure with 100, so its text has to tell them apart. The first match counts. */
const FAILURES: FailureTable = [
  [/No space left on device|You don't have enough free space/, DISK_FULL],
  [
    /dpkg was interrupted|Unmet dependencies|held broken packages/,
    {
      type: 'PackagesBroken',
      what: 'the package database is not consistent',
      remedy: 'look at `apt-get check` on the node',
    },
  ],
  [
    /unauthenticated packages|NO_PUBKEY|is not signed|cannot be authenticated|signatures couldn't be verified|signatures were invalid/,
    UNSIGNED,
  ],
  [
    /Packages need to be removed but remove is disabled|Packages were downgraded|held packages were changed/i,
    {
      type: 'Policy',
      what: 'packages would be removed, downgraded or taken off hold',
      remedy: 'resolve it on the node by hand',
    },
  ],
  [/Could not get lock|Unable to acquire the dpkg frontend lock|was locked by another process/, LOCKED],
  [
    /Failed to fetch|Temporary failure resolving|Hash Sum mismatch|Some index files failed|Unable to fetch some archives|does not have a Release file|Could not resolve|Could not connect|File has unexpected size|Release file .* (?:expired|not valid yet)|changed its '/,
    UNREADABLE_REPOSITORY,
  ],
  [
    /Sub-process .*dpkg returned an error code|dpkg: error processing|error processing (?:archive|package)/,
    {
      type: 'PackagesBroken',
      what: 'a package could not be installed',
      remedy: 'read the log, mend the package on the node, then patch it again',
    },
  ],
];

export const apt: PackageManager = {
  words: {
    plan: 'look at `apt-get -s dist-upgrade`',
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

  classify: (failed) => describeFailure(failed, findFailure(failed.rc, failed.log), errorLine(failed.log)),
};

function findFailure(rc: number, log: string): Failure {
  const own = helperFailure(rc, 'look at `dpkg --audit`');
  if (own !== null) return own;
  const known = FAILURES.find(([pattern]) => pattern.test(log))?.[1];
  if (known === undefined)
    return { type: 'PackageManager', what: `apt ended with code ${rc}`, remedy: 'read the log of the job' };
  const unauthenticated = UNAUTHENTICATED.exec(log)?.[1]?.trim().split(/\s+/).slice(0, MAX_LISTED).join(', ');
  return unauthenticated === undefined
    ? known
    : { ...known, what: `${known.what}: ${plainText(unauthenticated, 400)}` };
}

/** Lines that only sum up what the errors before them say. */
const SUMMARY = /^E: (?:Unable to fetch some archives|Some index files failed|Failed to fetch some archives)/;

/** apt's own last word on it; where that only names dpkg, what dpkg said last and the reason on its next line. */
function errorLine(log: string): string {
  const lines = cleanOutput(log).split('\n');
  const errors = lines.filter((text) => /^(?:E: |dpkg: error)/.test(text));
  const said = errors.findLast((text) => !SUMMARY.test(text)) ?? errors.at(-1) ?? '';
  const at = /^E: Sub-process .*dpkg returned/.test(said)
    ? lines.findLastIndex((text) => text.startsWith('dpkg: error p'))
    : -1;
  const line = at === -1 ? said.replace(/^E: /, '') : `${lines[at] ?? ''} ${lines[at + 1]?.trim() ?? ''}`;
  return plainText(line.replace(/\.$/, ''), 200);
}
