/**
 * Looks up a host in OpenSSH's known_hosts format (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"). Malformed lines are
 * skipped, as in OpenSSH.
 */
import { defined } from '../shared/defined';
import { parseHostKey, shortRsaBits } from './host-keys';

/** HMAC-SHA1 of `message` with a base64 key; the result in base64. Injected, because this module has no crypto. */
export type HmacSha1 = (keyBase64: string, message: string) => string;

export interface KnownHostKeys {
  /** Keys of supported types, each `TYPE BASE64`, in file order, without revoked keys. */
  keys: string[];
  /** Keys that must never be accepted for this host. */
  revoked: string[];
  /** Keys of certificate authorities trusted for this host, without revoked keys. */
  authorities: string[];
  /** Bits of an RSA key of this host that is too short to be trusted. Absent: there is none. */
  shortRsaBits?: number;
}

const SSH_PORT = 22;

/** The name of a host in known_hosts: bracketed with its port unless that is 22. */
export function knownHostsName(host: string, port: number): string {
  const name = host.toLowerCase();
  return port === SSH_PORT ? name : `[${name}]:${port}`;
}

/** The entries of a known_hosts file for one host and port. For many hosts, parse the file once. */
export function hostKeysFor(text: string, host: string, port: number, hmacSha1: HmacSha1): KnownHostKeys {
  return lookUpHostKeys(parseKnownHosts(text), host, port, hmacSha1);
}

interface KnownHostsEntry {
  marker: string | null;
  /** The patterns of the line, in lower case; empty for a hashed name. */
  patterns: string[];
  /** Salt and HMAC-SHA1 of a hashed name, both in base64. */
  hash: { salt: string; digest: string } | null;
  /** Null for an RSA key that is too short, which trusts nothing. */
  key: string | null;
  shortRsaBits: number | null;
}

/** A parsed known_hosts file. */
export interface KnownHosts {
  entries: KnownHostsEntry[];
  /** Indexes of entries with exact hosts and ports, by name. */
  exact: Map<string, number[]>;
  /** Indexes of entries with a pattern or hash, which have to be matched one by one. */
  other: number[];
}

export function parseKnownHosts(text: string): KnownHosts {
  const known: KnownHosts = { entries: [], exact: new Map(), other: [] };
  for (const line of text.split(/\r?\n/)) {
    const entry = parseLine(line);
    if (entry === null) continue;
    const index = known.entries.push(entry) - 1;
    if (entry.hash !== null || entry.patterns.some((pattern) => /[*?!]/.test(pattern))) known.other.push(index);
    else for (const name of entry.patterns) known.exact.set(name, [...(known.exact.get(name) ?? []), index]);
  }
  return known;
}

export function lookUpHostKeys(known: KnownHosts, host: string, port: number, hmacSha1: HmacSha1): KnownHostKeys {
  const name = knownHostsName(host, port);
  const keys = new Set<string>();
  const revoked = new Set<string>();
  const authorities = new Set<string>();
  let short: number | undefined;
  const others = known.other.filter((index) => {
    const entry = known.entries[index];
    return entry !== undefined && matches(entry, name, hmacSha1);
  });
  for (const index of [...(known.exact.get(name) ?? []), ...others].sort((a, b) => a - b)) {
    const entry = known.entries[index];
    if (entry === undefined) continue;
    if (entry.key === null) short ??= entry.shortRsaBits ?? undefined;
    else if (entry.marker === '@cert-authority') authorities.add(entry.key);
    else if (entry.marker === '@revoked') revoked.add(entry.key);
    else keys.add(entry.key);
  }
  const notRevoked = (found: Set<string>): string[] => [...found].filter((key) => !revoked.has(key));
  return {
    keys: notRevoked(keys),
    revoked: [...revoked],
    authorities: notRevoked(authorities),
    ...defined({ shortRsaBits: short }),
  };
}

function parseLine(line: string): KnownHostsEntry | null {
  const fields = line.trim().split(/\s+/);
  const marker = fields[0]?.startsWith('@') === true ? (fields.shift() ?? null) : null;
  if (marker !== null && marker !== '@revoked' && marker !== '@cert-authority') return null;
  const [hosts, type, blob] = fields;
  if (hosts === undefined || hosts.startsWith('#') || type === undefined || blob === undefined) return null;
  const key = parseHostKey(`${type} ${blob}`);
  const short = key === null ? shortRsaBits(`${type} ${blob}`) : null;
  if (key === null && short === null) return null;
  const common = { marker, key, shortRsaBits: short };
  if (hosts.startsWith('|')) return { ...common, patterns: [], hash: parseHash(hosts) };
  return { ...common, patterns: hosts.toLowerCase().split(','), hash: null };
}

function matches({ patterns, hash }: KnownHostsEntry, name: string, hmacSha1: HmacSha1): boolean {
  if (hash !== null) return matchesHash(hash, name, hmacSha1);
  let matched = false;
  for (const pattern of patterns) {
    const negated = pattern.startsWith('!');
    if (!matchesPattern(negated ? pattern.slice(1) : pattern, name)) continue;
    // A negated match excludes the whole line, whatever its position.
    if (negated) return false;
    matched = true;
  }
  return matched;
}

function matchesHash(hash: NonNullable<KnownHostsEntry['hash']>, name: string, hmacSha1: HmacSha1): boolean {
  return hmacSha1(hash.salt, name) === hash.digest;
}

function parseHash(hosts: string): KnownHostsEntry['hash'] {
  const [, version, salt, digest] = hosts.split('|');
  return version === '1' && salt !== undefined && digest !== undefined ? { salt, digest } : null;
}

/** Shell-like match: `*` any text, `?` any one character. Linear time in both. */
export function matchesPattern(pattern: string, name: string): boolean {
  let p = 0;
  let n = 0;
  let star = -1;
  let starName = 0;
  while (n < name.length) {
    if (pattern[p] === '*') {
      star = p++;
      starName = n;
    } else if (p < pattern.length && (pattern[p] === '?' || pattern[p] === name[n])) {
      p++;
      n++;
    } else if (star >= 0) {
      p = star + 1;
      n = ++starName;
    } else return false;
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length && pattern.length > 0;
}
