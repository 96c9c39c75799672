/** apk 2.14 and 3.0: Alpine Linux. */
import { DEFAULT_PACKAGE_POLICY } from '../../domain/spec/package-policy';
import type { NodeWarning } from '../../domain/node/warning';
import { plainText } from '../../domain/shared/text';
import type { FailureTable, FailureRules } from './failure';
import { BROKEN_PACKAGE, LOCKED, UNREADABLE_REPOSITORY, UNSIGNED, classifyFailure } from './failure';
import type { CauseRules } from './first-cause';
import { firstCause } from './first-cause';
import { refusal } from './refusal';
import { parseReport } from './report';
import { parseRpmPlan, releaseToKeep } from './rpm-plan';
import type { PackageManager, PhaseEvent } from './types';

/** apk's exit code is its number of errors, so failures are classified by text. The first match applies. */
const FAILURES: FailureTable = [
  [/UNTRUSTED signature|untrusted|key .* not (?:found|trusted)/i, UNSIGNED],
  [/Unable to lock database/, LOCKED],
  [
    /^ospatch: nothing was repaired, because/m,
    {
      ...UNREADABLE_REPOSITORY,
      what: 'a package that has to be installed once more cannot be downloaded, so nothing was changed',
      remedy: 'check the mirrors and the network of the node, or run `apk fix -u NAME` there for a newer version',
    },
  ],
  [
    /HTTP 404|package mentioned in index not found|BAD signature|BAD archive|v2 (?:database|package|index) (?:format|integrity) error|ADB (?:integrity|block)/i,
    UNREADABLE_REPOSITORY,
  ],
  [
    /unable to select packages|unsatisfiable constraints|missing repository tags/i,
    {
      type: 'Policy',
      retry: 'decision',
      what: 'the updates have unmet dependencies',
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
    plan: 'check `apk upgrade --simulate`',
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
    // Without this check, a version lock on the release package would let all other packages move to the next release.
    const sources = refusal(`would leave release ${release}, because repositories on the node are those of`, foreign);
    const pinned = linesOf(result, 'pinned').map(([name = '', version = '', pin = '']) => ({ name, version, pin }));
    const keptBack = [...reading.plan.keptBack, ...pinned.map(({ name }) => ({ name, reason: 'pinned' }))];
    return {
      ...reading,
      plan: {
        ...reading.plan,
        keptBack: keptBack.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
        warnings: [
          ...reading.plan.warnings,
          ...pinnedWarning(pinned),
          ...orphanWarning(linesOf(result, 'orphan').map(([name = '']) => name)),
          ...listWarnings(result),
        ],
      },
      refusals: [sources, policy.onHidden === 'fail' ? pinnedRefusal(pinned) : '', ...reading.refusals].filter(
        (text) => text !== '',
      ),
    };
  },

  parseReport,

  readProgress(line: string): PhaseEvent | null {
    if (line.startsWith('Waiting for repository lock')) return { event: 'lock-held', by: 'another apk' };
    return /^\(\d+\/\d+\) (?:Upgrading|Installing|Replacing|Reinstalling) /.test(line)
      ? { event: 'package-finished' }
      : null;
  },

  isFetched: (line) => /^\(\d+\/\d+\) Downloading /.test(line),

  classify: (failed) => classifyFailure(failed, FAILURE_RULES),
};

/** The words after `first` in lines that start with it. */
function linesOf(result: string, first: string): string[][] {
  const lines = result.split('\n').map((line) => line.split(' '));
  return lines.filter(([word]) => word === first).map(([, ...rest]) => rest.map((word) => plainText(word, 100)));
}

interface PinnedUpdate {
  name: string;
  version: string;
  pin: string;
}

function describePinned(pinned: readonly PinnedUpdate[]): string {
  const updates = namesOf(pinned.map(({ name, version, pin }) => `${name} ${version} (${pin})`));
  const are = pinned.length === 1 ? '1 update is' : `${pinned.length} updates are`;
  return `${are} hidden by version pins in /etc/apk/world: ${updates}`;
}

/** apk does not report which updates are security fixes, so all of them count. */
function pinnedRefusal(pinned: readonly PinnedUpdate[]): string {
  return pinned.length === 0
    ? ''
    : `would omit updates: ${describePinned(pinned)} (patching.packages.onHidden is fail)`;
}

function pinnedWarning(pinned: readonly PinnedUpdate[]): NodeWarning[] {
  const [first] = pinned;
  if (first === undefined) return [];
  return [
    {
      kind: 'hidden-updates',
      message: describePinned(pinned),
      remedy: `\`apk add ${first.name}\` removes the pin`,
    },
  ];
}

function orphanWarning(names: readonly string[]): NodeWarning[] {
  if (names.length === 0) return [];
  const are = names.length === 1 ? '1 package is' : `${names.length} packages are`;
  return [
    {
      kind: 'hidden-updates',
      message: `${are} in no repository of the node, so that updates would not show: ${namesOf(names)}`,
      remedy: 'look for a missing or commented line in /etc/apk/repositories',
    },
  ];
}

function listWarnings(result: string): NodeWarning[] {
  if (linesOf(result, 'no-network').length > 0) {
    return [
      {
        kind: 'stale-lists',
        message: 'apk is set to use no network (/etc/apk/config), so that its package lists are as old as its cache',
        remedy: 'remove the setting `network no`',
      },
    ];
  }
  if (linesOf(result, 'stale').length === 0) return [];
  return [
    {
      kind: 'stale-lists',
      message: 'the package lists are older than a week, so that newer updates do not show',
      remedy: 'run `apk update`; a patch does it by itself',
    },
  ];
}

/** At most five names; the rest is counted. */
function namesOf(names: readonly string[]): string {
  const more = names.length - MAX_NAMED;
  return `${names.slice(0, MAX_NAMED).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

const MAX_NAMED = 5;

const FAILURE_RULES: FailureRules = {
  name: 'apk',
  look: apk.words.repair,
  table: FAILURES,
  cause: (lines) => firstCause(lines, CAUSE),
};
