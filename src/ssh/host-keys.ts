/** Trusted host keys, and the host key algorithms negotiated because of them. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { ServerHostKeyAlgorithm } from 'ssh2';
import { parseHostKey, shortRsaBits } from '../domain/trust/host-keys';

export interface PinnedKey {
  type: string;
  blob: Buffer;
}

/** Signature algorithms per key type. `ssh-rsa` signs with SHA-1 and is never offered. */
const ALGORITHMS: Readonly<Record<string, readonly ServerHostKeyAlgorithm[]>> = {
  'ssh-ed25519': ['ssh-ed25519'],
  'ecdsa-sha2-nistp256': ['ecdsa-sha2-nistp256'],
  'ecdsa-sha2-nistp384': ['ecdsa-sha2-nistp384'],
  'ecdsa-sha2-nistp521': ['ecdsa-sha2-nistp521'],
  'ssh-rsa': ['rsa-sha2-512', 'rsa-sha2-256'],
};

/** In order of preference for `scanHostKey`. */
export const ALL_HOST_KEY_ALGORITHMS: readonly ServerHostKeyAlgorithm[] = Object.values(ALGORITHMS).flat();

/** The host key that a machine offered. */
export interface OfferedKey {
  type: string;
  /** `SHA256:...` as OpenSSH shows it. */
  fingerprint: string;
}

export function offeredKey(blob: Buffer): OfferedKey {
  return { type: hostKeyType(blob), fingerprint: fingerprint(blob) };
}

/** The bits of an RSA key that is too short to be trusted; null for every other key. */
export function shortRsaBitsOf(blob: Buffer): number | null {
  return shortRsaBits(`ssh-rsa ${blob.toString('base64')}`);
}

/**
 * Parses `TYPE BASE64` entries; unsupported entries and short RSA keys are dropped and thus trust nothing. A key that is also listed as
 * `@revoked` is not trusted.
 */
export function parsePins(hostKeys: readonly string[]): PinnedKey[] {
  const revoked = new Set(hostKeys.flatMap((entry) => (entry.startsWith('@revoked') ? [entry.split(/\s+/)[2]] : [])));
  return hostKeys.flatMap((entry) => {
    const [type = '', base64 = ''] = entry.trim().split(/\s+/);
    const blob = Buffer.from(base64, 'base64');
    const isSupported = type in ALGORITHMS && parseHostKey(`${type} ${blob.toString('base64')}`) !== null;
    return isSupported && !revoked.has(base64) ? [{ type, blob }] : [];
  });
}

/** Only these are negotiated: otherwise a server picks its preferred key type, and verification fails needlessly. */
export function pinnedAlgorithms(pins: readonly PinnedKey[]): ServerHostKeyAlgorithm[] {
  return [...new Set(pins.flatMap((pin) => ALGORITHMS[pin.type] ?? []))];
}

/**
 * Verifies a host key. Must be synchronous and return a boolean: ssh2 accepts every key for any other value, including
 * a promise.
 */
export function isTrusted(pins: readonly PinnedKey[], key: Buffer): boolean {
  return pins.some((pin) => pin.blob.length === key.length && timingSafeEqual(pin.blob, key));
}

/** As OpenSSH shows it: `SHA256:` and base64 without padding. */
export function fingerprint(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
}

/** The type named in a public key blob, or the empty string. */
export function hostKeyType(blob: Buffer): string {
  if (blob.length < 4) return '';
  const length = blob.readUInt32BE(0);
  return length > 64 ? '' : blob.subarray(4, 4 + length).toString('latin1');
}
