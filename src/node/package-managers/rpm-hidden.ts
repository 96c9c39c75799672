/** Updates that dnf and zypper do not report: hidden by the node's configuration, or missing from outdated metadata. */
import type { PackageChange } from '../../domain/node/report';
import type { NodeWarning } from '../../domain/node/warning';
import { plainText } from '../../domain/shared/text';

/** Names in a warning; the rest is counted. */
const MAX_NAMED = 8;

/** Older lists may lack weeks of fixes; a node patched weekly gets no warning in between. */
const STALE_AFTER_DAYS = 8;

const CAUSES: Record<string, { because: string; remedy: string }> = {
  exclude: {
    because: 'excludepkgs in the configuration of dnf keeps them out',
    remedy: 'remove them from excludepkgs in /etc/dnf/dnf.conf and /etc/yum.repos.d on the node',
  },
  versionlock: {
    because: 'the packages are locked by versionlock',
    remedy: 'run `dnf versionlock delete NAME` on the node once they may be updated',
  },
  lock: {
    because: 'the packages are locked',
    remedy: 'see `zypper locks` on the node, and run `zypper removelock NAME` once they may be updated',
  },
  include: {
    because: 'includepkgs of a repository does not let them in',
    remedy: 'add them to includepkgs in /etc/yum.repos.d on the node',
  },
  module: {
    because: 'they are outside of the module streams and priorities that the node has chosen',
    remedy: 'check `dnf module list --enabled` and `priority` in /etc/yum.repos.d on the node',
  },
  priority: {
    because: 'the priorities of the repositories keep them out',
    remedy: 'check `priority` of the repositories on the node (`dnf repolist -v`, `zypper repos -P`)',
  },
};
type Cause = keyof typeof CAUSES;
/** Causes without package names, in order of preference. */
const GENERAL = ['include', 'module', 'priority'];

export interface HiddenUpdate {
  cause: Cause;
  name: string;
  version: string;
  isSecurity: boolean;
}

/**
 * Updates hidden by the node's configuration: those in no plan and not excluded by the policy. Input lines: `hidden
 * NAME ARCH VERSION` (offered without that configuration), `hidden-security` (those with a security fix) and `hides
 * CAUSE GLOB` (the configuration).
 */
export function hiddenUpdates(
  lines: readonly string[][],
  planned: readonly PackageChange[],
  isKept: (name: string) => boolean,
  onlySecurity: boolean,
): HiddenUpdate[] {
  const all = (kind: string): string[][] => lines.filter(([first]) => first === kind).map(([, ...rest]) => rest);
  const coming = new Set(planned.map(({ name, arch, to }) => `${name} ${arch} ${to}`));
  const fixes = new Set(all('hidden-security').map(([name, arch]) => `${name} ${arch}`));
  const hides = all('hides').map(([cause = '', glob = '']) => ({ cause, glob }));
  const found = new Map<string, HiddenUpdate>();
  for (const [rawName = '', rawArch = '', rawVersion = ''] of all('hidden')) {
    const name = plainText(rawName, 200);
    const version = plainText(rawVersion, 200);
    if (isKept(name) || coming.has(`${name} ${plainText(rawArch, 40)} ${version}`)) continue;
    const cause =
      hides.find(({ glob }) => glob !== '-' && matches(glob, name))?.cause ??
      GENERAL.find((general) => hides.some((hide) => hide.cause === general));
    if (cause === undefined || !(cause in CAUSES)) continue;
    const isSecurity = onlySecurity || fixes.has(`${rawName} ${rawArch}`);
    found.set(`${name} ${version}`, { cause, name, version, isSecurity });
  }
  return [...found.values()];
}

/** One warning per cause, security fixes first. */
export function hiddenUpdateWarnings(hidden: readonly HiddenUpdate[], manager: string): NodeWarning[] {
  return Object.entries(CAUSES).flatMap(([cause, { because, remedy }]) => {
    const updates = hidden.filter((update) => update.cause === cause);
    return updates.length === 0
      ? []
      : [{ kind: 'hidden-updates' as const, message: `${describe(updates, manager)}: ${because}`, remedy }];
  });
}

/**
 * Why the node is refused when hidden fixes fail the patch; empty when there are none. zypper does not report which
 * locked updates are security fixes, so all of them count.
 */
export function hiddenUpdateRefusal(hidden: readonly HiddenUpdate[], manager: string): string {
  const fixes = manager === 'zypper' ? hidden : hidden.filter(({ isSecurity }) => isSecurity);
  if (fixes.length === 0) return '';
  const causes = new Set(fixes.map(({ cause }) => CAUSES[cause]?.because));
  return `would omit updates: ${describe(fixes, manager)} (${[...causes].join('; ')}; patching.packages.onHidden is fail)`;
}

function describe(updates: readonly HiddenUpdate[], manager: string): string {
  const sorted = updates.toSorted((a, b) => Number(b.isSecurity) - Number(a.isSecurity));
  const fixes = sorted.filter(({ isSecurity }) => isSecurity).length;
  const names = sorted.slice(0, MAX_NAMED).map(({ name, version }) => `${name} ${version}`);
  const more = sorted.length > MAX_NAMED ? ` and ${sorted.length - MAX_NAMED} more` : '';
  const what = fixes === sorted.length ? 'security fix' : 'update';
  const plural = what === 'update' ? 'updates' : 'security fixes';
  const count = sorted.length === 1 ? `1 ${what} is not offered` : `${sorted.length} ${plural} are not offered`;
  const some = fixes > 0 && fixes < sorted.length ? `, ${fixes} with a security fix` : '';
  return `${count} by ${manager}${some} (${names.join(', ')}${more})`;
}

/**
 * From `list-missing REPOSITORY`, `lists-age SECONDS`, `repository-off ID`, and output of subscription-manager in
 * `out`.
 */
export function rpmListWarnings(lines: readonly string[][], manager: string): NodeWarning[] {
  const all = (kind: string): string[] =>
    lines.filter(([first]) => first === kind).map(([, ...rest]) => plainText(rest.join(' '), 200));
  const warnings: NodeWarning[] = [];
  const missing = all('list-missing');
  if (missing.length > 0) {
    warnings.push({
      kind: 'stale-lists',
      message: `the node has no current package lists of ${missing.slice(0, 5).join(', ')}, so more may be pending than is shown`,
      remedy: `see what \`${manager === 'zypper' ? 'zypper refresh' : 'dnf makecache --refresh'}\` says on the node`,
    });
  }
  const days = Math.floor(Number(/^\d{1,12}$/.exec(all('lists-age')[0] ?? '')?.[0] ?? 0) / 86_400);
  if (days >= STALE_AFTER_DAYS) {
    warnings.push({
      kind: 'stale-lists',
      message: `no package list on the node was renewed in the last ${days} days, so more may be pending than is shown`,
      remedy: `run \`${manager === 'zypper' ? 'zypper refresh' : 'dnf makecache --refresh'}\` on the node; a patch does so by itself`,
    });
  }
  const off = all('repository-off');
  if (off.length > 0) {
    warnings.push({
      kind: 'hidden-updates',
      message: `repositories with updates are disabled on the node (${off.slice(0, 5).join(', ')}), so what they hold is not offered`,
      remedy: `if they are meant for this release, set enabled=1 for them in ${manager === 'zypper' ? '/etc/zypp/repos.d' : '/etc/yum.repos.d'} on the node`,
    });
  }
  const unregistered = all('out').find((text) => SUBSCRIPTION.test(text));
  if (unregistered !== undefined) {
    warnings.push({
      kind: 'hidden-updates',
      message: `updates of the distribution may be missing: ${unregistered.replace(/[. ]+$/, '')}`,
      remedy:
        manager === 'zypper'
          ? 'check `SUSEConnect --status-text` on the node'
          : 'check `subscription-manager status` on the node',
    });
  }
  return warnings;
}

const SUBSCRIPTION =
  /^(?:This system is (?:not )?registered (?:with an entitlement server|to Red Hat|with .*, but)|This system is not registered|The subscription for following product\(s\) has expired|You are no longer subscribed|.*(?:subscription|registration) .*expired)/i;

/** Glob match as in dnf and zypper; all characters other than * and ? are literal. */
function matches(glob: string, name: string): boolean {
  const text = glob.slice(0, 200).replace(/[^A-Za-z0-9*?]/g, '\\$&');
  const pattern = text.replace(/\*+/g, '.*').replace(/\?/g, '.');
  // An exclude may continue with a version or architecture.
  return new RegExp(`^${pattern}$`).test(name) || glob.startsWith(`${name}-`) || glob.startsWith(`${name}.`);
}
