/** apk 2.14 and 3.0: Alpine Linux. */
import { DEFAULT_PACKAGE_POLICY } from '../../domain/package-policy';
import { plainText } from '../../domain/text';
import type { FailureTable, Symptoms } from './failure';
import { BROKEN_PACKAGE, LOCKED, UNREADABLE_REPOSITORY, UNSIGNED, classifyFailure } from './failure';
import type { CauseRules } from './first-cause';
import { firstCause } from './first-cause';
import { refusal } from './refusal';
import { parseReport } from './report';
import { parseRpmPlan, releaseToKeep } from './rpm-plan';
import type { PackageManager, PhaseEvent } from './types';

/** The exit code of apk is the number of its errors, so its text has to tell. The first match counts. */
const FAILURES: FailureTable = [
  [/UNTRUSTED signature|untrusted|key .* not (?:found|trusted)/i, UNSIGNED],
  [/Unable to lock database/, LOCKED],
  [
    /HTTP 404|package mentioned in index not found|BAD signature|BAD archive|v2 (?:database|package|index) (?:format|integrity) error|ADB (?:integrity|block)/i,
    UNREADABLE_REPOSITORY,
  ],
  [
    /unable to select packages|unsatisfiable constraints|missing repository tags/i,
    {
      type: 'Policy',
      retry: 'decision',
      what: 'the dependencies of the updates cannot be met',
      remedy: 'run `apk upgrade --simulate` on the node and resolve it by hand, often in /etc/apk/world',
    },
  ],
  [
    /stale\/unavailable repositories|^WARNING: (?:updating|opening|Ignoring) |could not connect|[Cc]onnection (?:refused|timed out|reset)|network (?:error|connection)|temporary error|DNS[: ]|remote server|IO ERROR|I\/O error|unexpected end of file|HTTP [45]\d\d/im,
    UNREADABLE_REPOSITORY,
  ],
  [
    /exited with error \d|: trying to overwrite |failed to execute|failed to (?:extract|rename|commit)/i,
    { ...BROKEN_PACKAGE, what: 'a package could not be installed in full' },
  ],
  [
    /Unable to (?:read|open) (?:root|the )?database|database file format|APKE_DB|world.*(?:invalid|error)/i,
    {
      type: 'PackageManager',
      retry: 'permanent',
      what: 'the database or configuration of apk cannot be used',
      remedy: 'correct what it names (/etc/apk, /lib/apk/db), then patch the node again',
    },
  ],
];

const CAUSE: CauseRules = {
  error: /^(?:ERROR: |WARNING: (?:updating|opening|Ignoring|.*(?:UNTRUSTED|untrusted)))/,
  summary: /^(?:ERROR: \d+ errors?;|WARNING: (?!.*(?:UNTRUSTED|untrusted|temporary|DNS|HTTP|connect)))/,
  scripts: [/^ERROR: .*(?:script exited with error|exited with error \d)/],
  progress: /^(?:\(\d+\/\d+\)|Executing |fetch |OK: |ERROR: |WARNING: |v\d)/,
  continuation: /^ +\S/,
  prefix: /^(?:ERROR|WARNING): /,
};

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

  isFetched: (line) => line.startsWith('Downloading '),

  classify: (failed) => classifyFailure(failed, SYMPTOMS),
};

const SYMPTOMS: Symptoms = {
  name: 'apk',
  look: apk.words.repair,
  table: FAILURES,
  cause: (lines) => firstCause(lines, CAUSE),
};
