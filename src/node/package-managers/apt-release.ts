/** Which release of the distribution an archive belongs to, by its Release file. */
import type { NodeFacts } from '../../domain/node/report';
import { plainText } from '../../domain/shared/text';

export interface Archive {
  label: string;
  origin: string;
  version: string;
  suite: string;
  codename: string;
}

/** `archive|LABEL|ORIGIN|VERSION|SUITE|CODENAME`, as the helper prints it; null for any other line. */
export function parseArchive(line: string): Archive | null {
  const [kind, label = '', origin = '', version = '', suite = '', codename = ''] = line
    .split('|')
    .map((field) => plainText(field.trim(), 100));
  return kind === 'archive' ? { label, origin, version, suite, codename } : null;
}

/** Codenames that a suite or a codename can name; other words there, as those of in-house mirrors, name no release. */
const CODENAMES: ReadonlySet<string> = new Set(
  (
    'jessie stretch buster bullseye bookworm trixie forky duke ' +
    'trusty xenial bionic focal jammy kinetic lunar mantic noble oracular plucky questing resolute'
  ).split(' '),
);

/**
 * True unless the distribution's own archives offer this version only for another release. Other vendors' archives name
 * releases as they like and are the administrator's choice. `origins` is how a simulation names archives:
 * `LABEL:VERSION/SUITE, LABEL:SUITE`. What an archive does not say contradicts nothing.
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

/** The distribution's own, by label; of those that are derived from another one, by origin or label. */
function isOfficial({ label, origin }: Archive, os: NodeFacts['os']): boolean {
  if (os.id === 'debian') return /^Debian(?:-Security| Backports)?$/.test(label);
  if (os.id === 'ubuntu') return /^Ubuntu[A-Za-z]*$/.test(label);
  const own = os.id.toLowerCase();
  return own !== '' && (label.toLowerCase() === own || origin.toLowerCase() === own);
}

function belongsTo({ version, suite, codename }: Archive, os: NodeFacts['os']): boolean {
  // Testing and unstable have no release number, and their archives other codenames than they.
  if (os.versionId === '') return true;
  const byCodename = isOfRelease(codename, os);
  if (byCodename !== null) return byCodename;
  const number = (text: string): string => (/^\d+(?:\.\d+)?/.exec(text)?.[0] ?? '').replace(...release(os));
  if (number(version) !== '') return number(version) === number(os.versionId);
  return isOfRelease(suite, os) ?? true;
}

/** `bookworm`, `bookworm-security`, `bookworm/updates`, or a mirror's own `bookworm-prod`; null: it names no release. */
function isOfRelease(name: string, os: NodeFacts['os']): boolean | null {
  if (name === '' || os.codename === '') return null;
  const base = name.replace(/[-/].*$/, '');
  if (name === os.codename || base === os.codename) return true;
  return CODENAMES.has(base) ? false : null;
}

/** Ubuntu's releases have two numbers, all others one. */
function release(os: NodeFacts['os']): [RegExp, string] {
  return os.id === 'ubuntu' ? [/$^/, ''] : [/\..*/, ''];
}
