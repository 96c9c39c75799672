/** Parses the plan of dnf, zypper and apk, which the helper prints in one format: `change KIND NAME ARCH OLD NEW`. */
import type { NodeFacts, PackageChange } from '../../domain/node/report';
import type { PackagePolicy } from '../../domain/spec/package-policy';
import { DEFAULT_PACKAGE_POLICY } from '../../domain/spec/package-policy';
import { defined } from '../../domain/shared/defined';
import { plainText } from '../../domain/shared/text';
import { refusal } from './refusal';
import { excludedFixes } from './excluded-fixes';
import { hiddenUpdateRefusal, hiddenUpdateWarnings, hiddenUpdates, rpmListWarnings } from './rpm-hidden';
import type { PlanReading } from './types';

/**
 * How far the release package may move: `9.4` may become 9.5 (same major), `15.6` stays 15.6, `3.20.3` may become
 * 3.20.4 (same minor).
 */
export type ReleaseRule = 'same-major' | 'same-release' | 'same-minor';

interface Guard {
  reason: string;
  pattern: RegExp;
}

export function parseRpmPlan(
  rule: ReleaseRule,
  result: string,
  os: NodeFacts['os'],
  policy: PackagePolicy = DEFAULT_PACKAGE_POLICY,
): PlanReading {
  const changes: PackageChange[] = [];
  const unparsed: string[] = [];
  const lists: Record<'removed' | 'downgraded' | 'vendor' | 'guarded' | 'foreign', string[]> = {
    removed: [],
    downgraded: [],
    vendor: [],
    guarded: [],
    foreign: [],
  };
  const lines = result.split('\n').map((line) => line.split(' '));
  const all = (kind: string): string[][] => lines.filter(([first]) => first === kind).map(([, ...rest]) => rest);
  const guards = all('guard').map(([reason = '', glob = '']) => ({ reason, pattern: globPattern(glob) }));
  const releases = new Set(all('release').map(([name]) => name));
  const planned = all('change');
  // Of packages with several installed versions, such as kernels, the oldest is removed when a new one is installed.
  const installed = new Set(planned.filter(([kind]) => kind === 'install').map(([, name]) => name));
  const wanted = releaseToKeep(rule, os.versionId, policy.keepMinor);

  const skipped: string[] = [];
  for (const [kind = '', rawName = '', rawArch = '', rawOld = '-', rawNew = '-'] of planned) {
    const name = plainText(rawName, 200);
    const change = { name, arch: plainText(rawArch, 40), from: versionOrNull(rawOld), to: versionOrNull(rawNew) };
    if (kind === 'skip') {
      skipped.push(name);
      continue;
    }
    if (guards.some(({ pattern }) => pattern.test(name))) lists.guarded.push(name);
    if (releases.has(name) && change.to !== null && !isRelease(change.to, wanted)) {
      lists.foreign.push(`${name} ${change.to}`);
    }
    switch (kind) {
      case 'upgrade':
      case 'install':
      case 'reinstall':
        break;
      case 'remove':
      case 'obsolete':
        if (!policy.allowRemovals && !installed.has(name)) lists.removed.push(name);
        break;
      case 'downgrade':
        lists.downgraded.push(name);
        break;
      case 'vendor':
        lists.vendor.push(name);
        break;
      default:
        unparsed.push(plainText(`${kind} ${name}`, 200));
    }
    changes.push(change);
  }
  const digest = all('digest')[0]?.[0] ?? '';
  if (!/^[0-9a-f]{64}$/.test(digest)) unparsed.push(`digest ${plainText(digest, 80)}`);
  const noSecurityData = all('no-security-data').length > 0;
  const manager = rule === 'same-release' ? 'zypper' : 'dnf';
  const isKept = (name: string): boolean => skipped.includes(name) || guards.some(({ pattern }) => pattern.test(name));
  const hidden = hiddenUpdates(lines, changes, isKept, policy.only === 'security' && manager === 'dnf');

  const fixes = new Set(all('security').map(([name = '']) => name));
  const isFix = ({ name, to }: (typeof changes)[number]): boolean => to !== null && fixes.has(name);

  return {
    plan: {
      changes,
      ...defined({
        security: all('security-known').length > 0 ? changes.filter(isFix).length : undefined,
      }),
      keptBack: keptBack(all('newer'), guards, skipped),
      warnings: [
        ...excludedFixes(all('excluded-security').map(([name = '']) => plainText(name, 200))),
        ...hiddenUpdateWarnings(hidden, manager),
        ...rpmListWarnings(lines, manager),
      ],
      digest,
    },
    refusals: [
      noSecurityData ? 'cannot be limited to security fixes: its repositories carry no advisory metadata' : '',
      policy.onHidden === 'fail' ? hiddenUpdateRefusal(hidden, manager) : '',
      refusal(`would leave release ${wanted} with`, lists.foreign),
      refusal('would change packages that must not change', lists.guarded),
      refusal('would remove', lists.removed),
      refusal('would downgrade', lists.downgraded),
      refusal('would change the vendor of', lists.vendor),
    ].filter((text) => text !== ''),
    unparsed,
  };
}

/** The leading components of the release number that must not change. */
export function releaseToKeep(rule: ReleaseRule, versionId: string, keepMinor: boolean): string {
  if (rule === 'same-minor') return versionId.split('.').slice(0, 2).join('.');
  return rule === 'same-release' || keepMinor ? versionId : versionId.replace(/\..*/, '');
}

function versionOrNull(text: string): string | null {
  return text === '-' ? null : plainText(text, 200);
}

/** Whether `evr` (`1:9.4-1.el9`) is a version of release `wanted` (`9` or `9.4`). */
function isRelease(evr: string, wanted: string): boolean {
  const version = evr.replace(/^\d+:/, '').replace(/-.*/, '');
  return version === wanted || version.startsWith(`${wanted}.`);
}

function keptBack(
  newer: readonly string[][],
  guards: readonly Guard[],
  skipped: readonly string[],
): { name: string; reason: string }[] {
  const reasons = new Map(skipped.map((name) => [name, 'dependencies']));
  for (const [raw = ''] of newer) {
    const name = plainText(raw, 200);
    const guard = guards.find(({ pattern }) => pattern.test(name));
    if (guard !== undefined) reasons.set(name, plainText(guard.reason, 40));
  }
  return [...reasons].map(([name, reason]) => ({ name, reason })).toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** The glob comes from the node: characters other than * and ? are literal. */
function globPattern(glob: string): RegExp {
  const text = glob.slice(0, 200).replace(/[^A-Za-z0-9*?]/g, '\\$&');
  return new RegExp(`^${text.replace(/\*+/g, '.*').replace(/\?/g, '.')}$`);
}
