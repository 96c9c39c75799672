/** Public host keys as in a known_hosts line after the host: `TYPE BASE64`, optionally with a comment. */
export const HOST_KEY_TYPES = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'ssh-rsa',
] as const;

export const HOST_KEY_FORMAT = `"TYPE BASE64" as in a known_hosts line, TYPE one of ${HOST_KEY_TYPES.join(', ')}`;

/** Markers that may precede a key, as in known_hosts. */
export const HOST_KEY_MARKERS = ['@cert-authority', '@revoked'] as const;

/** Parses a host key, or a marked key of a certificate authority or revoked key; null when it is neither. */
export function parseTrustEntry(text: string): string | null {
  const trimmed = text.trim();
  const marker = HOST_KEY_MARKERS.find((known) => /^\s/.test(trimmed.slice(known.length)) && trimmed.startsWith(known));
  if (marker === undefined) return parseHostKey(trimmed);
  const key = parseHostKey(trimmed.slice(marker.length));
  return key === null ? null : `${marker} ${key}`;
}

/** Whether any of the entries can establish trust: a key, or a certificate authority where supported. */
export function trustsAnything(entries: readonly string[], withAuthorities: boolean): boolean {
  return entries.some((entry) => !entry.startsWith('@') || (withAuthorities && entry.startsWith('@cert-authority ')));
}

/** Why none of the (non-empty) entries can establish trust; null when one can. */
export function untrustedReason(entries: readonly string[], withAuthorities: boolean): string | null {
  if (trustsAnything(entries, withAuthorities)) return null;
  return trustsAnything(entries, true)
    ? 'found only certificate authorities, which the builtin transport cannot use; set ssh.transport to openssh, or add a plain host key'
    : 'found only revoked keys, so nothing is trusted; add the current host key';
}

/** Indexes of keys that another entry in the list revokes. */
export function revokedInList(entries: readonly string[]): number[] {
  const revoked = new Set(entries.filter((entry) => entry.startsWith('@revoked ')).map((entry) => entry.slice(9)));
  return entries.flatMap((entry, index) => (revoked.has(entry.replace(/^@cert-authority /, '')) ? [index] : []));
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Shorter RSA keys can be factored. */
export const MIN_RSA_BITS = 2_048;

/**
 * `TYPE BASE64` without the comment; null when it is not a host key of a supported type, or an RSA key that is too
 * short.
 */
export function parseHostKey(text: string): string | null {
  const key = readHostKey(text);
  return key === null || isShort(key) ? null : key.text;
}

/** The bits of an RSA host key that is too short, with or without a marker; null for anything else. */
export function shortRsaBits(text: string): number | null {
  const key = readHostKey(text.trim().replace(/^@\S+\s+/, ''));
  return key !== null && isShort(key) ? key.rsaBits : null;
}

/** Why `text` is no trusted host key. */
export function hostKeyFault(text: string): string {
  const bits = shortRsaBits(text);
  if (bits === null) return HOST_KEY_FORMAT;
  return `a key that cannot be forged: this RSA key has ${bits} bits, and at least ${MIN_RSA_BITS} are needed; use another key of the machine, e.g. ssh-ed25519`;
}

interface HostKey {
  text: string;
  /** Null for another type. */
  rsaBits: number | null;
}

function isShort({ rsaBits }: HostKey): boolean {
  return rsaBits !== null && rsaBits < MIN_RSA_BITS;
}

function readHostKey(text: string): HostKey | null {
  const [type, blob] = text.trim().split(/\s+/);
  if (type === undefined || blob === undefined || !isHostKeyType(type)) return null;
  const parts = wireStrings(blob);
  // An Ed25519 key has 32 bytes and no further fields; the others only have to be complete.
  if (parts === null || ascii(parts[0]) !== type || parts.length < 2) return null;
  if (type === 'ssh-ed25519' && (parts.length !== 2 || parts[1]?.length !== 32)) return null;
  if (type !== 'ssh-rsa') return { text: `${type} ${blob}`, rsaBits: null };
  // Exponent and modulus.
  if (parts.length !== 3) return null;
  return { text: `${type} ${blob}`, rsaBits: bitLength(parts[2] ?? []) };
}

function bitLength(number: readonly number[]): number {
  const first = number.findIndex((byte) => byte !== 0);
  return first < 0 ? 0 : (number.length - first) * 8 - (Math.clz32(number[first] ?? 0) - 24);
}

function isHostKeyType(text: string): boolean {
  return HOST_KEY_TYPES.some((type) => type === text);
}

/** The length-prefixed strings of an SSH key blob; null when it is malformed. */
function wireStrings(base64: string): number[][] | null {
  const bytes = decodeBase64(base64);
  if (bytes === null) return null;
  const parts: number[][] = [];
  for (let at = 0; at < bytes.length;) {
    const [a = 0, b = 0, c = 0, d = 0] = bytes.slice(at, at + 4);
    const end = at + 4 + (((a * 256 + b) * 256 + c) * 256 + d);
    if (at + 4 > bytes.length || end > bytes.length) return null;
    parts.push(bytes.slice(at + 4, end));
    at = end;
  }
  return parts;
}

function decodeBase64(text: string): number[] | null {
  if (!BASE64.test(text)) return null;
  const bytes: number[] = [];
  let bits = 0;
  let held = 0;
  for (const letter of text.replace(/=+$/, '')) {
    held = ((held << 6) | ALPHABET.indexOf(letter)) & 0xffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes.push((held >> bits) & 0xff);
    }
  }
  return bytes;
}

function ascii(bytes: number[] | undefined): string {
  return String.fromCharCode(...(bytes ?? []));
}
