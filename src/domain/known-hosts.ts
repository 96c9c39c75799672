/**
 * OpenSSH's known_hosts format (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"): which of its lines speak of a host.
 * Lines that cannot be understood are passed over, as OpenSSH does.
 */
import { parseHostKey } from './spec-host-keys';

/** HMAC-SHA1 of `message` with a key in base64; the result in base64. Injected, since this module has no crypto. */
export type HmacSha1 = (keyBase64: string, message: string) => string;

export interface KnownHostKeys {
  /** Keys of supported types, each `TYPE BASE64`, in the order of the file, without those that are revoked. */
  keys: string[];
  /** Keys that must never be accepted for this host. */
  revoked: string[];
  /** Certificates of an authority are trusted for this host; ospatch does not support them. */
  certAuthority: boolean;
}

const SSH_PORT = 22;

/** The name under which known_hosts files a host: bracketed with its port unless that is 22. */
export function knownHostsName(host: string, port: number): string {
  const name = host.toLowerCase();
  return port === SSH_PORT ? name : `[${name}]:${port}`;
}

/** What a known_hosts file says about one host and port. */
export function hostKeysFor(text: string, host: string, port: number, hmacSha1: HmacSha1): KnownHostKeys {
  const name = knownHostsName(host, port);
  const keys = new Set<string>();
  const revoked = new Set<string>();
  let certAuthority = false;
  for (const line of text.split(/\r?\n/)) {
    const entry = parseLine(line);
    if (entry === null || !matches(entry.hosts, name, hmacSha1)) continue;
    if (entry.marker === '@cert-authority') certAuthority = true;
    else if (entry.marker === '@revoked') revoked.add(entry.key);
    else keys.add(entry.key);
  }
  return { keys: [...keys].filter((key) => !revoked.has(key)), revoked: [...revoked], certAuthority };
}

function parseLine(line: string): { marker: string | null; hosts: string; key: string } | null {
  const fields = line.trim().split(/\s+/);
  const marker = fields[0]?.startsWith('@') === true ? (fields.shift() ?? null) : null;
  if (marker !== null && marker !== '@revoked' && marker !== '@cert-authority') return null;
  const [hosts, type, blob] = fields;
  if (hosts === undefined || hosts.startsWith('#') || type === undefined || blob === undefined) return null;
  const key = parseHostKey(`${type} ${blob}`);
  return key === null ? null : { marker, hosts, key };
}

function matches(hosts: string, name: string, hmacSha1: HmacSha1): boolean {
  if (hosts.startsWith('|')) return matchesHash(hosts, name, hmacSha1);
  let matched = false;
  for (const pattern of hosts.toLowerCase().split(',')) {
    const negated = pattern.startsWith('!');
    if (!matchesPattern(negated ? pattern.slice(1) : pattern, name)) continue;
    // A negated match rules the whole line out, wherever it stands.
    if (negated) return false;
    matched = true;
  }
  return matched;
}

function matchesHash(hashed: string, name: string, hmacSha1: HmacSha1): boolean {
  const [, version, salt, hash] = hashed.split('|');
  return version === '1' && salt !== undefined && hash !== undefined && hmacSha1(salt, name) === hash;
}

/** Shell-like match: `*` any text, `?` any one character. Linear in both, whatever the pattern. */
function matchesPattern(pattern: string, name: string): boolean {
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
