/**
 * The algorithms of every SSH connection and host key scan, in order of preference, for both transports. No
 * compression: a megabyte of zeros costs the sender a kilobyte. No SHA-1, no CBC, and no group chosen by the server.
 */
import { getCiphers } from 'node:crypto';
import type { CipherAlgorithm, KexAlgorithm, MacAlgorithm, ServerHostKeyAlgorithm } from 'ssh2';
import type { CryptoPolicy } from './crypto-policy';
import { allowedBy } from './crypto-policy';

/** For the OpenSSH client only: ssh2 has no post-quantum key exchange. */
export const POST_QUANTUM_KEX = [
  'mlkem768x25519-sha256',
  'sntrup761x25519-sha512',
  'sntrup761x25519-sha512@openssh.com',
] as const;

export const KEX = [
  'curve25519-sha256',
  'curve25519-sha256@libssh.org',
  'ecdh-sha2-nistp256',
  'ecdh-sha2-nistp384',
  'ecdh-sha2-nistp521',
  'diffie-hellman-group16-sha512',
  'diffie-hellman-group14-sha256',
] as const satisfies readonly KexAlgorithm[];

const CHACHA20 = 'chacha20-poly1305@openssh.com';

/** ChaCha20 is last, for servers with nothing else: both clients are faster with AES. */
export const CIPHERS = [
  'aes128-gcm@openssh.com',
  'aes256-gcm@openssh.com',
  'aes256-ctr',
  'aes192-ctr',
  'aes128-ctr',
  CHACHA20,
] as const satisfies readonly CipherAlgorithm[];

export const MACS = [
  'hmac-sha2-256-etm@openssh.com',
  'hmac-sha2-512-etm@openssh.com',
  'hmac-sha2-256',
  'hmac-sha2-512',
] as const satisfies readonly MacAlgorithm[];

/** Of user keys and of what certificate authorities sign with. */
export const SIGNATURES = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'sk-ssh-ed25519@openssh.com',
  'sk-ecdsa-sha2-nistp256@openssh.com',
  'rsa-sha2-512',
  'rsa-sha2-256',
] as const;

export interface NegotiableAlgorithms {
  kex: KexAlgorithm[];
  cipher: CipherAlgorithm[];
  hmac: MacAlgorithm[];
  compress: 'none'[];
  serverHostKey: ServerHostKeyAlgorithm[];
}

/**
 * What ssh2 may negotiate with a server that is to have a key of one of these algorithms.
 *
 * @throws OspatchError `IdentityUnavailable` when the policy leaves nothing
 */
export function algorithmsFor(
  serverHostKey: readonly ServerHostKeyAlgorithm[],
  policy: CryptoPolicy,
): NegotiableAlgorithms {
  // An OpenSSL in FIPS mode has no ChaCha20, and ssh2 throws for what is not there.
  const ciphers = CIPHERS.filter((name) => name !== CHACHA20 || getCiphers().includes('chacha20'));
  return {
    kex: allowedBy(policy.kex, KEX, 'key exchanges'),
    cipher: allowedBy(policy.ciphers, ciphers, 'ciphers'),
    hmac: allowedBy(policy.macs, MACS, 'MACs'),
    compress: ['none'],
    serverHostKey: allowedBy(policy.hostKeys, serverHostKey, 'host key algorithms of this machine'),
  };
}
