/**
 * Replaces the host keys of one machine in a known_hosts file. Comments, malformed lines, `@revoked` and `@cert-authority`
 * lines, the keys of other machines and hashed names stay what they are.
 */
import type { HmacSha1 } from './known-hosts';
import { matchesPattern } from './known-hosts';

export interface HostKeyReplacement {
  /** All names of the machine, as `knownHostsName` has them. */
  names: readonly string[];
  /** All keys that the machine has now, each `TYPE BASE64`. Every other key of its names is removed. */
  keys: readonly string[];
}

/** A line that trusts a key, without a marker. */
interface KeyLine {
  hosts: string;
  type: string;
  /** `TYPE BASE64`. */
  key: string;
  /** The comment after the key, with the space before it. */
  comment: string;
}

interface Place {
  /** The first field of new lines: a hashed name stays hashed. */
  hosts: string;
  /** Where the next line belongs: below the last line of the name. */
  line: number;
}

export function replaceHostKeys(text: string, { names, keys }: HostKeyReplacement, hmacSha1: HmacSha1): string {
  const lines = text.split('\n');
  const out: (string[] | string)[] = [...lines];
  const places = new Map<string, Place>();
  const written = new Set<string>();
  for (const [index, line] of lines.entries()) {
    const entry = parseKeyLine(line);
    if (entry === null) continue;
    const matched = matchedNames(entry.hosts, names, hmacSha1);
    if (matched === null) continue;
    const { moved, hosts, rest } = matched;
    for (const name of moved) places.set(name, { hosts: places.get(name)?.hosts ?? hosts, line: index });
    if (keys.includes(entry.key)) {
      for (const name of moved) written.add(`${name} ${entry.key}`);
      continue;
    }
    const next = keys.find((key) => key.startsWith(`${entry.type} `));
    const missing = next !== undefined && moved.some((name) => !written.has(`${name} ${next}`));
    if (missing) for (const name of moved) written.add(`${name} ${next}`);
    out[index] = [
      ...(rest === null ? [] : [`${rest} ${entry.key}${entry.comment}`]),
      ...(missing ? [`${hosts} ${next}${entry.comment}`] : []),
    ];
  }
  const [first = ''] = names;
  for (const name of names) {
    // Only the name that is replaced gets a line where it has none.
    const place = places.get(name) ?? (name === first ? { hosts: name, line: -1 } : null);
    if (place === null) continue;
    const added = keys.filter((key) => !written.has(`${name} ${key}`)).map((key) => `${place.hosts} ${key}`);
    for (const key of keys) written.add(`${name} ${key}`);
    if (added.length > 0) insert(out, place.line, added, lines);
  }
  return out.flat().join('\n');
}

/** Plain names on lines that trust one of `keys`, except those in `names`: perhaps the same machine, perhaps its twin. */
export function otherNamesOf(text: string, names: readonly string[], keys: readonly string[]): string[] {
  const found = text.split('\n').flatMap((line) => {
    const entry = parseKeyLine(line);
    if (entry === null || !keys.includes(entry.key) || entry.hosts.startsWith('|')) return [];
    return entry.hosts.toLowerCase().split(',');
  });
  return [...new Set(found)].filter((name) => !/[*?!]/.test(name) && !names.includes(name));
}

/** Host and port of a name in known_hosts. */
export function parseKnownHostsName(name: string): { host: string; port: number } {
  const [, host, port] = /^\[(.+)\]:(\d+)$/.exec(name) ?? [];
  return host === undefined ? { host: name, port: 22 } : { host, port: Number(port) };
}

function parseKeyLine(line: string): KeyLine | null {
  const [, hosts = '', type = '', blob = '', comment = ''] = /^\s*(\S+)\s+(\S+)\s+(\S+)(.*?)\s*$/.exec(line) ?? [];
  if (blob === '' || hosts.startsWith('#') || hosts.startsWith('@')) return null;
  return { hosts, type, key: `${type} ${blob}`, comment };
}

interface Matched {
  moved: string[];
  /** The first field of the line that replaces this one. */
  hosts: string;
  /** The first field of what is left for other machines; null: nothing. */
  rest: string | null;
}

/** Null when the line is about other machines. */
function matchedNames(hosts: string, names: readonly string[], hmacSha1: HmacSha1): Matched | null {
  if (hosts.startsWith('|')) {
    const [, version, salt = '', digest] = hosts.split('|');
    const moved = version === '1' ? names.filter((name) => hmacSha1(salt, name) === digest) : [];
    return moved.length === 0 ? null : { moved, hosts, rest: null };
  }
  const patterns = hosts.split(',');
  const excluded = names.filter((name) => patterns.some((one) => one.startsWith('!') && matchesIn(one.slice(1), name)));
  const own = names.filter((name) => !excluded.includes(name));
  const moved = own.filter((name) => patterns.some((one) => !one.startsWith('!') && matchesIn(one, name)));
  if (moved.length === 0) return null;
  const left = patterns.filter((one) => !moved.includes(one.toLowerCase()));
  // A pattern is also about other machines, and these names are taken out of it.
  const byPattern = moved.filter((name) => left.some((one) => !one.startsWith('!') && matchesIn(one, name)));
  const isAboutOthers = left.some((one) => !one.startsWith('!'));
  return {
    moved,
    hosts: moved.join(','),
    rest: isAboutOthers ? [...left, ...byPattern.map((name) => `!${name}`)].join(',') : null,
  };
}

function matchesIn(pattern: string, name: string): boolean {
  return matchesPattern(pattern.toLowerCase(), name);
}

/** Below line `at`, or at the end of the file. */
function insert(out: (string[] | string)[], at: number, added: readonly string[], lines: readonly string[]): void {
  if (at >= 0) {
    out[at] = [...[out[at] ?? []].flat(), ...added];
    return;
  }
  const last = lines.length - 1;
  // The text after the last line break is empty, unless the file does not end in one.
  out[last] = lines[last] === '' ? [...added, ''] : [...[out[last] ?? []].flat(), ...added, ''];
}
