/** Trusted host keys, and the host key algorithms that the client offers because of them. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { ServerHostKeyAlgorithm } from 'ssh2';

export interface PinnedKey {
  type: string;
  blob: Buffer;
}

/** Signature algorithms per key type. `ssh-rsa` itself signs with SHA-1 and is never offered. */
const ALGORITHMS: Readonly<Record<string, readonly ServerHostKeyAlgorithm[]>> = {
  'ssh-ed25519': ['ssh-ed25519'],
  'ecdsa-sha2-nistp256': ['ecdsa-sha2-nistp256'],
  'ecdsa-sha2-nistp384': ['ecdsa-sha2-nistp384'],
  'ecdsa-sha2-nistp521': ['ecdsa-sha2-nistp521'],
  'ssh-rsa': ['rsa-sha2-512', 'rsa-sha2-256'],
};

/** In the order in which `scanHostKey` prefers them. */
export const ALL_HOST_KEY_ALGORITHMS: readonly ServerHostKeyAlgorithm[] = Object.values(ALGORITHMS).flat();

/** What a machine showed. */
export interface OfferedKey {
  type: string;
  /** `SHA256:...` as OpenSSH shows it. */
  fingerprint: string;
}

export function offeredKey(blob: Buffer): OfferedKey {
  return { type: hostKeyType(blob), fingerprint: fingerprint(blob) };
}

/**
 * Reads `TYPE BASE64` entries; what is no key of a supported type is left out, so it trusts nothing. A key that stands
 * there as `@revoked` too is not trusted either.
 */
export function parsePins(hostKeys: readonly string[]): PinnedKey[] {
  const revoked = new Set(hostKeys.flatMap((entry) => (entry.startsWith('@revoked') ? [entry.split(/\s+/)[2]] : [])));
  return hostKeys.flatMap((entry) => {
    const [type = '', base64 = ''] = entry.trim().split(/\s+/);
    const blob = Buffer.from(base64, 'base64');
    return type in ALGORITHMS && hostKeyType(blob) === type && !revoked.has(base64) ? [{ type, blob }] : [];
  });
}

/** Only these are negotiated: a server picks its own favourite otherwise, and verification fails for no reason. */
export function pinnedAlgorithms(pins: readonly PinnedKey[]): ServerHostKeyAlgorithm[] {
  return [...new Set(pins.flatMap((pin) => ALGORITHMS[pin.type] ?? []))];
}

/**
 * The check itself. It has to be synchronous and answer with a real boolean: ssh2 accepts every key for anything else,
 * a promise included.
 */
export function isTrusted(pins: readonly PinnedKey[], key: Buffer): boolean {
  return pins.some((pin) => pin.blob.length === key.length && timingSafeEqual(pin.blob, key));
}

/** As OpenSSH shows it: `SHA256:` and base64 without padding. */
export function fingerprint(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
}

/** The type a public key blob names, or the empty string. */
export function hostKeyType(blob: Buffer): string {
  if (blob.length < 4) return '';
  const length = blob.readUInt32BE(0);
  return length > 64 ? '' : blob.subarray(4, 4 + length).toString('latin1');
}
