/** Parses `apt-get -s dist-upgrade` and refuses plans that would leave the release. */
import type { PackagePolicy } from '../../domain/spec/package-policy';
import { DEFAULT_PACKAGE_POLICY } from '../../domain/spec/package-policy';
import type { NodeFacts, PackageChange } from '../../domain/node/report';
import { defined } from '../../domain/shared/defined';
import { plainText } from '../../domain/shared/text';
import type { HiddenFix } from './apt-hidden';
import { hasSecurityArchive, hiddenRefusal, hiddenWarnings, listWarnings, parseHidden } from './apt-hidden';
import type { Archive } from './apt-release';
import { isSameRelease, parseArchive } from './apt-release';
import { excludedFixes } from './excluded-fixes';
import { hookWarnings } from './hook-warning';
import { refusal } from './refusal';
import type { PlanReading } from './types';

/** `Inst NAME [OLD] (NEW ORIGIN, ORIGIN [ARCH])`, without `[OLD]` for a new package. */
const INST = /^Inst (\S+) (?:\[([^\]]+)\] )?\((\S+)(?: (.*?))? \[([a-z0-9-]+)\]\)/;
const REMV = /^(?:Remv|Purg) (\S+)(?: \[([^\]]+)\])?/;

/** A list of names: a heading that ends in a colon, then indented lines. */
const HEADLINES: readonly [RegExp, Section][] = [
  [/^The following packages have been kept back:/, 'kept'],
  [/^The following upgrades have been deferred due to phasing:/, 'phased'],
  [/^The following packages will be DOWNGRADED:/, 'downgraded'],
  [/^The following held packages will be changed:/, 'unheld'],
  [/^WARNING: The following packages cannot be authenticated!/, 'unauthenticated'],
];
type Section = 'kept' | 'phased' | 'downgraded' | 'unheld' | 'unauthenticated';

/** Origins of a security archive; suites are no criterion, because every release renames them. */
const SECURITY = /Debian-Security:|:(?:[^ ,/]*\/)?[^ ,/]*-security(?=[ ,]|$)/;

/** Lines of the helper about the package lists. */
const LIST_LINES: ReadonlySet<string> = new Set(['list-missing', 'list-expired', 'lists-age', 'esm']);

export function parseAptPlan(
  result: string,
  os: NodeFacts['os'],
  policy: PackagePolicy = DEFAULT_PACKAGE_POLICY,
): PlanReading {
  const lists: Record<Section | 'removed' | 'foreign' | 'notSecurity', string[]> = {
    kept: [],
    phased: [],
    downgraded: [],
    unheld: [],
    unauthenticated: [],
    removed: [],
    foreign: [],
    notSecurity: [],
  };
  const changes: PackageChange[] = [];
  const origins = new Map<PackageChange, string>();
  const hidden: HiddenFix[] = [];
  const archives: Archive[] = [];
  const listLines: [string, string][] = [];
  const unparsed: string[] = [];
  const held = new Set<string>();
  const kubernetes = new Set<string>();
  const excluded = new Set<string>();
  const insecure = new Set<string>();
  const guarded = new Set<string>();
  let noSecurityData = false;
  let digest = '';
  let foreignOrigin = '';
  let section: Section | null = null;

  for (const line of result.split('\n')) {
    const at = line.indexOf(' ');
    const kind = line.slice(0, at);
    const text = line.slice(at + 1);
    if (kind === 'digest') digest = text;
    else if (kind === 'held') held.add(plainText(text, 200));
    else if (kind === 'kubernetes') kubernetes.add(plainText(text, 200));
    else if (kind === 'excluded') excluded.add(plainText(text, 200));
    else if (kind === 'excluded-security') insecure.add(plainText(text, 200));
    else if (kind === 'protected') guarded.add(text);
    else if (line === 'no-security-data') noSecurityData = true;
    else if (kind === 'hidden') hidden.push(parseHidden(text));
    else if (LIST_LINES.has(kind)) listLines.push([kind, text]);
    else if (line.startsWith('archive|')) archives.push(...[parseArchive(line)].filter((archive) => archive !== null));
    if (kind !== 'out') continue;

    if (section !== null && text.startsWith(' ')) {
      lists[section].push(
        ...text
          .trim()
          .split(/\s+/)
          .map((name) => plainText(name, 200)),
      );
      continue;
    }
    section = HEADLINES.find(([pattern]) => pattern.test(text))?.[1] ?? null;
    const inst = INST.exec(text);
    const removal = REMV.exec(text);
    if (inst !== null) {
      const change = toChange(inst);
      changes.push(change);
      origins.set(change, inst[4] ?? '');
      if (policy.only === 'security' && change.from !== null && !SECURITY.test(inst[4] ?? '')) {
        lists.notSecurity.push(change.name);
      }
    } else if (removal !== null) {
      const name = plainText((removal[1] ?? '').replace(/:.*/, ''), 200);
      if (!policy.allowRemovals || guarded.has(name)) lists.removed.push(name);
      else changes.push({ name, from: removal[2] === undefined ? null : plainText(removal[2], 200), to: null });
    } else if (/^(?:Inst|Remv|Purg) /.test(text)) unparsed.push(plainText(text, 200));
  }
  for (const [change, origin] of origins) {
    if (isSameRelease(origin, os, archives)) continue;
    lists.foreign.push(change.name);
    foreignOrigin ||= plainText(origin, 80);
  }
  // Pins of ospatch may offer what pins of the node hide.
  const planned = new Map(changes.map(({ name, to }) => [name, to]));
  const stillHidden = hidden.filter(({ name, version }) => planned.get(name.replace(/:.*/, '')) !== version);
  const fixes = [...origins.values()].filter((origin) => SECURITY.test(origin)).length;
  if (!/^[0-9a-f]{64}$/.test(digest)) unparsed.push(`digest ${plainText(digest, 80)}`);

  return {
    plan: {
      changes,
      ...defined({ security: fixes > 0 || hasSecurityArchive(archives) ? fixes : undefined }),
      keptBack: keptBack(lists, { held, kubernetes, excluded }),
      warnings: [
        ...hiddenWarnings(stillHidden),
        ...listWarnings(listLines, os, archives),
        ...excludedFixes([...insecure]),
        ...hookWarnings(result.split('\n')),
      ],
      digest,
    },
    refusals: [
      noSecurityData ? 'cannot be limited to security fixes: none of its package sources is a security archive' : '',
      policy.onHidden === 'fail' ? hiddenRefusal(stillHidden) : '',
      refusal('would change more than security fixes, namely', lists.notSecurity),
      refusal(`would leave release ${os.versionId} for ${foreignOrigin} with`, lists.foreign),
      refusal('would remove', lists.removed),
      refusal('would downgrade', lists.downgraded),
      refusal('would change held packages', lists.unheld),
      refusal('would install unauthenticated packages', lists.unauthenticated),
    ].filter((text) => text !== ''),
    unparsed,
  };
}

function toChange([, name = '', from, to = '', , arch = '']: RegExpExecArray): PackageChange {
  return {
    name: plainText(name.replace(/:.*/, ''), 200),
    arch,
    from: from === undefined ? null : plainText(from, 200),
    to: plainText(to, 200),
  };
}

function keptBack(
  lists: Record<'kept' | 'phased', string[]>,
  { held, kubernetes, excluded }: Record<'held' | 'kubernetes' | 'excluded', ReadonlySet<string>>,
): { name: string; reason: string }[] {
  const reasons = new Map<string, string>();
  for (const name of kubernetes) reasons.set(name, 'kubernetes');
  for (const name of lists.kept) reasons.set(name, 'dependencies');
  for (const name of lists.phased) reasons.set(name, 'phased');
  for (const name of excluded) reasons.set(name, 'excluded');
  for (const name of reasons.keys()) if (held.has(name)) reasons.set(name, 'held');
  return [...reasons].map(([name, reason]) => ({ name, reason })).toSorted((a, b) => (a.name < b.name ? -1 : 1));
}
