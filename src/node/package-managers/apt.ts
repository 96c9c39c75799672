/** apt 1.6 to 3.0 with dpkg: Debian and Ubuntu. */
import type { ErrorInfo, ErrorType } from '../../domain/errors';
import type { PackageChange } from '../../domain/node-report';
import { plainText } from '../../domain/text';
import { RC_DISK_FULL, RC_STILL_BROKEN } from '../helper/exit-codes';
import { cleanOutput, outputTail } from '../sanitize';
import { parseAptPlan } from './apt-plan';
import type { FailedPhase, PackageManager, PhaseEvent, ReportReading } from './types';

const MAX_LISTED = 200;

interface Failure {
  type: ErrorType;
  what: string;
  remedy: string;
}

const UNAUTHENTICATED = /The following packages cannot be authenticated!\n((?: .*\n?)+)/;

/** apt ends every failure with 100, so its text has to tell them apart. The first match counts. */
const FAILURES: readonly [RegExp, Failure][] = [
  [
    /No space left on device|You don't have enough free space/,
    { type: 'DiskFull', what: 'the disk is full', remedy: 'free some space, then patch the node again' },
  ],
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
    {
      type: 'Policy',
      what: 'packages are not signed by a trusted key',
      remedy: 'install the key of the repository on the node',
    },
  ],
  [
    /Packages need to be removed but remove is disabled|Packages were downgraded|held packages were changed/i,
    {
      type: 'Policy',
      what: 'packages would be removed, downgraded or taken off hold',
      remedy: 'resolve it on the node by hand',
    },
  ],
  [
    /Could not get lock|Unable to acquire the dpkg frontend lock|was locked by another process/,
    {
      type: 'Busy',
      what: 'another package manager holds the lock',
      remedy: 'wait for it to end, then patch the node again',
    },
  ],
  [
    /Failed to fetch|Temporary failure resolving|Hash Sum mismatch|Some index files failed|Unable to fetch some archives|does not have a Release file|Could not resolve|Could not connect|File has unexpected size|Release file .* (?:expired|not valid yet)|changed its '/,
    {
      type: 'Repository',
      what: 'the package repositories cannot be read',
      remedy: 'check the mirrors and the network of the node',
    },
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

  parseReport(result: string): ReportReading {
    const packages = new Map<string, PackageChange>();
    const reading: ReportReading = { changes: [], keptConfigFiles: [], problems: [] };
    for (const line of result.split('\n')) {
      const [kind, name = '', arch = '', version = ''] = line.split(' ');
      if (kind === '+' || kind === '-')
        recordChange(packages, kind, plainText(name, 200), plainText(arch, 40), plainText(version, 200));
      else if (kind === 'conffile') reading.keptConfigFiles.push(plainText(line.slice('conffile '.length), 300));
      else if (kind === 'problem') reading.problems.push(plainText(line.slice('problem '.length), 300));
    }
    reading.changes = [...packages.values()];
    return reading;
  },

  readProgress(line: string): PhaseEvent | null {
    const holder = /^Waiting for cache lock: .*held by process (\d+) \(([^)]{1,40})\)/.exec(line);
    if (holder !== null) return { event: 'lock-held', by: plainText(`${holder[2]} (pid ${holder[1]})`, 80) };
    if (line.startsWith('Setting up ')) return { event: 'package-finished' };
    return line.startsWith('Unpacking ') ? { event: 'package-started' } : null;
  },

  classify({ node, phase, rc, log }: FailedPhase): ErrorInfo {
    const { type, what, remedy } = findFailure(rc, log);
    const reason = errorLine(log);
    return {
      type,
      message: `${phase} failed on ${node}: ${what}${reason === '' ? '' : ` (${reason})`}.`,
      remedy,
      details: { phase, rc, tail: outputTail(log) },
    };
  },
};

/** A version that went and one that came are one change. Several versions of one name differ by architecture. */
function recordChange(
  packages: Map<string, PackageChange>,
  kind: '+' | '-',
  name: string,
  arch: string,
  version: string,
): void {
  const key = `${name}:${arch}`;
  const change = packages.get(key) ?? { name, arch, from: null, to: null };
  if (kind === '+') change.to = version;
  else change.from = version;
  packages.set(key, change);
}

function findFailure(rc: number, log: string): Failure {
  if (rc === RC_DISK_FULL)
    return {
      type: 'DiskFull',
      what: 'the state directory cannot be written',
      remedy: 'free some space below /var/lib/ospatch',
    };
  if (rc === RC_STILL_BROKEN) {
    return {
      type: 'PackagesBroken',
      what: 'packages are still not fully installed after the repair',
      remedy: 'look at `dpkg --audit` on the node',
    };
  }
  const known = FAILURES.find(([pattern]) => pattern.test(log))?.[1];
  if (known === undefined)
    return { type: 'PackageManager', what: `apt ended with code ${rc}`, remedy: 'read the log of the job' };
  const unauthenticated = UNAUTHENTICATED.exec(log)?.[1]?.trim().split(/\s+/).slice(0, MAX_LISTED).join(', ');
  return unauthenticated === undefined
    ? known
    : { ...known, what: `${known.what}: ${plainText(unauthenticated, 400)}` };
}

/** apt's own last word on it. */
function errorLine(log: string): string {
  const line = cleanOutput(log)
    .split('\n')
    .findLast((text) => /^(?:E: |dpkg: error)/.test(text));
  return line === undefined ? '' : plainText(line.replace(/^E: /, '').replace(/\.$/, ''), 200);
}
