/** Updates and security fixes that apt does not report: hidden by configuration, or missing from outdated lists. */
import type { NodeFacts } from '../../domain/node/report';
import type { NodeWarning } from '../../domain/node/warning';
import { plainText } from '../../domain/shared/text';
import type { Archive } from './apt-release';

/** Names in a warning; the rest is counted. */
const MAX_NAMED = 8;

/** Older lists may lack weeks of fixes; a node patched weekly gets no warning in between. */
const STALE_AFTER_DAYS = 8;

export interface HiddenFix {
  cause: string;
  name: string;
  version: string;
}

/** `hidden CAUSE NAME VERSION` */
export function parseHidden(text: string): HiddenFix {
  const [cause = '', name = '', version = ''] = text.split(' ');
  return { cause, name: plainText(name, 200), version: plainText(version, 200) };
}

const CAUSES: Record<string, { because: string; remedy: string }> = {
  'default-release': {
    because: 'APT::Default-Release gives them a lower priority than what is installed',
    remedy:
      'remove APT::Default-Release, or have it match the security archive too: "/^CODENAME(|-security|-updates)$/"',
  },
  pin: {
    because: 'a pin in /etc/apt/preferences or preferences.d keeps them out',
    remedy: 'see `apt-cache policy NAME` on the node and change the pin',
  },
  hold: {
    because: 'the packages are on hold',
    remedy: 'run `apt-mark unhold NAME` on the node once they may be updated',
  },
};

/** One warning per cause. */
export function hiddenWarnings(hidden: readonly HiddenFix[]): NodeWarning[] {
  return Object.entries(CAUSES).flatMap(([cause, { because, remedy }]) => {
    const fixes = hidden.filter((fix) => fix.cause === cause);
    if (fixes.length === 0) return [];
    return [{ kind: 'hidden-updates', message: `${describe(fixes)}: ${because}`, remedy }];
  });
}

/** Why the node is refused when hidden fixes fail the patch; empty when there are none. */
export function hiddenRefusal(hidden: readonly HiddenFix[]): string {
  const fixes = hidden.filter(({ cause }) => cause in CAUSES);
  if (fixes.length === 0) return '';
  const causes = new Set(fixes.map(({ cause }) => CAUSES[cause]?.because));
  return `would leave ${describe(fixes)} (${[...causes].join('; ')}; patching.packages.onHidden is fail)`;
}

function describe(fixes: readonly HiddenFix[]): string {
  const names = fixes.slice(0, MAX_NAMED).map(({ name, version }) => `${name} ${version}`);
  const more = fixes.length > MAX_NAMED ? ` and ${fixes.length - MAX_NAMED} more` : '';
  const count = fixes.length === 1 ? '1 security fix is not offered' : `${fixes.length} security fixes are not offered`;
  return `${count} by apt (${names.join(', ')}${more})`;
}

/** From the list lines: `list-missing URI`, `list-expired NAME`, `lists-age SECONDS`, `esm TEXT`. */
export function listWarnings(
  lines: readonly (readonly [string, string])[],
  os: NodeFacts['os'],
  archives: readonly Archive[],
): NodeWarning[] {
  const all = (kind: string): string[] =>
    lines.filter(([key]) => key === kind).map(([, text]) => plainText(text.replaceAll("'", ''), 200));
  const warnings: NodeWarning[] = [];
  const remedy = 'run `apt-get update` on the node; a patch does so by itself';
  const missing = all('list-missing');
  if (missing.length > 0) {
    warnings.push({
      kind: 'stale-lists',
      message: `the node has no package lists of ${named(missing)}, so more may be pending than is shown`,
      remedy,
    });
  }
  const expired = all('list-expired');
  if (expired.length > 0) {
    warnings.push({
      kind: 'stale-lists',
      message: `package lists have expired (${named(expired)}), so more may be pending than is shown`,
      remedy,
    });
  }
  const days = Math.floor(Number(/^\d{1,12}$/.exec(all('lists-age')[0] ?? '')?.[0] ?? 0) / 86_400);
  if (days >= STALE_AFTER_DAYS) {
    warnings.push({
      kind: 'stale-lists',
      message: `the package lists of the node are ${days} days old, so more may be pending than is shown`,
      remedy,
    });
  }
  for (const text of all('esm')) {
    warnings.push({
      kind: 'hidden-updates',
      message: `${text} of Ubuntu Pro, which this node does not have (by update-notifier on the node)`,
      remedy: 'attach the node to Ubuntu Pro (`pro attach`), or upgrade its release',
    });
  }
  if (lacksSecurityArchive(os, archives)) {
    warnings.push({
      kind: 'hidden-updates',
      message: `the node uses the archive of ${os.prettyName || os.id} and no security archive, so security fixes are not offered`,
      remedy: 'add the security archive to the package sources of the node',
    });
  }
  return warnings;
}

/** Only for the distribution's own archive, because the contents of a renamed mirror are unknown. */
function lacksSecurityArchive(os: NodeFacts['os'], archives: readonly Archive[]): boolean {
  if (os.versionId === '' || !['debian', 'ubuntu'].includes(os.id)) return false;
  const isOwn = ({ origin, label }: Archive): boolean =>
    origin.toLowerCase() === os.id && label.toLowerCase() === os.id;
  return archives.some(isOwn) && !hasSecurityArchive(archives);
}

/** Without one, nothing on the node says which updates are security fixes. */
export function hasSecurityArchive(archives: readonly Archive[]): boolean {
  return archives.some(
    ({ label, suite, codename }) =>
      label === 'Debian-Security' || [suite, codename].some((name) => /[-/]security$/.test(name)),
  );
}

function named(names: readonly string[]): string {
  const more = names.length - 3;
  return `${names.slice(0, 3).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
