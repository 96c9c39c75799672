/** What people write out of habit, and what they meant: hints beside the list of what is allowed. */
import type { SpecPath } from './issues';
import { show } from './issues';
import { simplify } from './suggest';

/** Fields in which people put secrets; what they hold is never shown. */
const SECRET_FIELDS = new Set(['identity', 'password', 'passphrase', 'token']);

/** The value as an error may quote it. */
export function quoted(path: SpecPath, value: unknown): string {
  const field = String(path.at(-1) ?? '');
  if (typeof value === 'string' && SECRET_FIELDS.has(field))
    return /^[\w.~-]*\/[^\s]*$/.test(value) ? 'a path (not shown)' : 'a value that is not shown';
  if (typeof value === 'string' && /@/.test(value) && field === 'host') return 'an address with a user (not shown)';
  return show(value);
}

/** What was probably meant by a value that is not allowed, as a clause; null when nobody knows. */
export function valueHint(path: SpecPath, value: unknown): string | null {
  const field = path.at(-1);
  if (field === 'host' && typeof value === 'string') return hostHint(value, path.includes('jump'));
  if (field === 'identity' && typeof value === 'string' && /PRIVATE KEY/.test(value))
    return 'that is the key itself: put it into a file on the worker, and replace it, because a spec is no secret';
  if (field === 'schedule' && typeof value === 'string' && /^\s*\S+(\s+\S+){4}\s*$/.test(value))
    return `write {cron: ${JSON.stringify(value.trim())}}`;
  if (isTemplate(value))
    return 'YAML reads {{ }} as a mapping: fill in the template first, or write the value in quotes';
  return null;
}

function hostHint(host: string, isJump: boolean): string | null {
  const ssh = isJump ? '' : 'ssh.';
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(host)) return `leave out ${host.slice(0, host.indexOf('://') + 3)}`;
  if (host.includes('@')) return `the user belongs to ${ssh}user, and a password nowhere: ospatch logs in with keys`;
  if (/^[^:]+:\d+$/.test(host) || /^\[.*\]:\d+$/.test(host)) return `the port belongs to ${ssh}port`;
  if (/^\[.*\]$/.test(host)) return 'leave out the brackets';
  return host.includes('/') ? 'one address for each node' : null;
}

/** `{{ user }}` without quotes. */
function isTemplate(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const [key, ...others] = Object.keys(value);
  return others.length === 0 && key?.startsWith('{') === true;
}

/**
 * Where a key belongs that is unknown at `path`, as a clause; null when nobody knows.
 * @param known paths of all keys of the schema; elements of lists stand for any
 */
export function keyHint(path: SpecPath, key: string, known: readonly SpecPath[]): string | null {
  if (key === '<<') return 'YAML merge keys are not read: write the fields out, or once for all nodes under ssh';
  const places = known.filter((one) => simplify(String(one.at(-1))) === simplify(key));
  const isBelow = (place: SpecPath): boolean =>
    path.every((part, at) => place[at] === part || typeof part === 'number');
  const below = places.filter(isBelow).map((place) => place.slice(path.length));
  const found = below.length > 0 ? below : places;
  const nearest = Math.min(...found.map(({ length }) => length));
  const [place, ...others] = found.filter(({ length }) => length === nearest);
  if (place === undefined || others.length > 0) return null;
  return `the key belongs to ${place.filter((part) => typeof part === 'string').join('.')}`;
}
