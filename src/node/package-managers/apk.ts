/** apk 2.14 and 3.0: Alpine Linux. */
import { DEFAULT_PACKAGE_POLICY } from '../../domain/package-policy';
import { plainText } from '../../domain/text';
import { cleanOutput } from '../sanitize';
import type { FailureTable } from './failure';
import { DISK_FULL, LOCKED, UNREADABLE_REPOSITORY, UNSIGNED, describeFailure, findFailure } from './failure';
import { refusal } from './refusal';
import { parseReport } from './report';
import { parseRpmPlan, releaseToKeep } from './rpm-plan';
import type { PackageManager, PhaseEvent } from './types';

/** The exit code of apk is the number of its errors, so its text has to tell. The first match counts. */
const FAILURES: FailureTable = [
  [/No space left on device|not enough space/i, DISK_FULL],
  [/UNTRUSTED signature|BAD signature|untrusted/, UNSIGNED],
  [/Unable to lock database/, LOCKED],
  [
    /unable to select packages|unsatisfiable constraints|missing repository tags/i,
    {
      type: 'Policy',
      what: 'the dependencies of the updates cannot be met',
      remedy: 'run `apk upgrade --simulate` on the node and resolve it by hand, often in /etc/apk/world',
    },
  ],
  [
    /exited with error \d|: trying to overwrite |failed to execute/i,
    {
      type: 'PackageManager',
      what: 'a package could not be installed in full',
      remedy: 'read the log, mend the package on the node, then patch it again',
    },
  ],
  [
    /stale\/unavailable repositories|^WARNING: (?:updating|opening|Ignoring) |package mentioned in index not found|could not connect|network error|temporary error|DNS |BAD archive|IO ERROR/im,
    UNREADABLE_REPOSITORY,
  ],
];

export const apk: PackageManager = {
  words: {
    plan: 'look at `apk upgrade --simulate`',
    repair: 'run `apk fix`, or `apk fix -u NAME` for a newer version,',
  },

  parsePlan(result, os, policy = DEFAULT_PACKAGE_POLICY) {
    const reading = parseRpmPlan('same-minor', result, os, policy);
    const release = releaseToKeep('same-minor', os.versionId, policy.keepMinor);
    const foreign = result
      .split('\n')
      .flatMap((line) => /^source (\S+)$/.exec(line)?.[1] ?? [])
      .filter((source) => source !== release)
      .map((source) => plainText(source, 40));
    // Without this a policy that holds the package with the number of the release would let all others move on.
    const sources = refusal(`would leave release ${release}, because repositories on the node are those of`, foreign);
    return sources === '' ? reading : { ...reading, refusals: [sources, ...reading.refusals] };
  },

  parseReport,

  readProgress(line: string): PhaseEvent | null {
    if (line.startsWith('Waiting for repository lock')) return { event: 'lock-held', by: 'another apk' };
    return /^\(\d+\/\d+\) (?:Upgrading|Installing|Replacing|Reinstalling) /.test(line)
      ? { event: 'package-finished' }
      : null;
  },

  classify(failed) {
    const symptoms = { name: 'apk', look: apk.words.repair, table: FAILURES };
    return describeFailure(failed, findFailure(failed, symptoms), errorLine(failed.log));
  },
};

/** The first of apk's own words on it; what follows comes of it. */
function errorLine(log: string): string {
  const lines = cleanOutput(log).split('\n');
  const line = lines.find((text) => text.startsWith('ERROR: ')) ?? lines.find((text) => text.startsWith('WARNING: '));
  return line === undefined ? '' : plainText(line.replace(/^(?:ERROR|WARNING): /, '').replace(/[.:]$/, ''), 200);
}
