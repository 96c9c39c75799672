/** Which distribution release an archive belongs to, according to its Release file. */
import type { NodeFacts } from '../../domain/node/report';
import { plainText } from '../../domain/shared/text';

export interface Archive {
  label: string;
  origin: string;
  version: string;
  suite: string;
  codename: string;
}

/** `archive|LABEL|ORIGIN|VERSION|SUITE|CODENAME` as printed by the helper; null for any other line. */
export function parseArchive(line: string): Archive | null {
  const [kind, label = '', origin = '', version = '', suite = '', codename = ''] = line
    .split('|')
    .map((field) => plainText(field.trim(), 100));
  return kind === 'archive' ? { label, origin, version, suite, codename } : null;
}

/** Codenames that identify a release; other names, such as those of in-house mirrors, identify none. */
const CODENAMES: ReadonlySet<string> = new Set(
  (
    'jessie stretch buster bullseye bookworm trixie forky duke ' +
    'trusty xenial bionic focal jammy kinetic lunar mantic noble oracular plucky questing resolute'
  ).split(' '),
);

/**
 * True unless the distribution's own archives offer this version only for another release. Archives of other vendors
 * use release names of their own and are the administrator's choice. `origins` has the format of a simulation:
 * `LABEL:VERSION/SUITE, LABEL:SUITE`. Missing fields contradict nothing.
 */
export function isSameRelease(origins: string, os: NodeFacts['os'], archives: readonly Archive[]): boolean {
  const verdicts = origins.split(', ').flatMap((origin) => {
    const named = parseOrigin(origin);
    if (named === null) return [];
    const known = archives.filter(
      ({ label, version, suite }) =>
        label === named.label && suite === named.suite && (named.version === '' || version === named.version),
    );
    const candidates = known.length > 0 ? known : [{ ...named, origin: '', codename: '' }];
    return candidates.filter((archive) => isOfficial(archive, os)).map((archive) => belongsTo(archive, os));
  });
  return verdicts.length === 0 || verdicts.includes(true);
}

function parseOrigin(origin: string): Pick<Archive, 'label' | 'version' | 'suite'> | null {
  const match = /^([^:]{1,100}):(?:([^/]{0,100})\/)?(.{0,100})$/.exec(origin);
  if (match === null) return null;
  const [, label = '', version = '', suite = ''] = match;
  return { label, version, suite };
}

/** Archives of the distribution, by label; for derivatives, by origin or label. */
function isOfficial({ label, origin }: Archive, os: NodeFacts['os']): boolean {
  if (os.id === 'debian') return /^Debian(?:-Security| Backports)?$/.test(label);
  if (os.id === 'ubuntu') return /^Ubuntu[A-Za-z]*$/.test(label);
  const own = os.id.toLowerCase();
  return own !== '' && (label.toLowerCase() === own || origin.toLowerCase() === own);
}

function belongsTo({ version, suite, codename }: Archive, os: NodeFacts['os']): boolean {
  // Testing and unstable have no release number, and their archives use other codenames.
  if (os.versionId === '') return true;
  const byCodename = isOfRelease(codename, os);
  if (byCodename !== null) return byCodename;
  const number = (text: string): string => (/^\d+(?:\.\d+)?/.exec(text)?.[0] ?? '').replace(...release(os));
  if (number(version) !== '') return number(version) === number(os.versionId);
  return isOfRelease(suite, os) ?? true;
}

/** `bookworm`, `bookworm-security`, `bookworm/updates`, or a mirror's `bookworm-prod`; null: not a release name. */
function isOfRelease(name: string, os: NodeFacts['os']): boolean | null {
  if (name === '' || os.codename === '') return null;
  const base = name.replace(/[-/].*$/, '');
  if (name === os.codename || base === os.codename) return true;
  return CODENAMES.has(base) ? false : null;
}

/** Ubuntu releases have two numbers, all others one. */
function release(os: NodeFacts['os']): [RegExp, string] {
  return os.id === 'ubuntu' ? [/$^/, ''] : [/\..*/, ''];
}
