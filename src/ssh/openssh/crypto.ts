/** The lines of a client configuration that restrict algorithms: those of `algorithms.ts`, as far as the client knows them. */
import { MIN_RSA_BITS } from '../../domain/trust/host-keys';
import { CIPHERS, KEX, MACS, POST_QUANTUM_KEX, SIGNATURES } from '../algorithms';
import type { CryptoPolicy } from '../crypto-policy';
import { allowedBy } from '../crypto-policy';
import { parsePins, pinnedAlgorithms } from '../host-keys';
import type { ClientCapabilities } from './capabilities';

/** `hostKeys`: the trust entries of the machine. @throws OspatchError `IdentityUnavailable` when nothing is left */
export function cryptoLines(
  hostKeys: readonly string[],
  { kex, ciphers, macs, signatures, checksRsaSize }: ClientCapabilities,
  policy: CryptoPolicy,
): string[] {
  const known = (ours: readonly string[], theirs: readonly string[]): string[] =>
    ours.filter((name) => theirs.includes(name));
  const pick = (list: readonly string[] | undefined, ours: readonly string[], what: string): string =>
    allowedBy(list, ours, what).join(',');
  const plain = known(SIGNATURES, signatures);
  // An old client does not see that the key in a certificate is short.
  const certified = plain.filter((name) => checksRsaSize || !name.startsWith('rsa-')).map(certificateOf);
  const certificates = known(certified, signatures);
  const hasAuthority = hostKeys.some((entry) => entry.startsWith('@cert-authority'));
  // Revoked ones as well, so that the client sees them and says so.
  const keys = hostKeys.map((entry) => entry.replace(/^@revoked /, ''));
  const trusted = known(pinnedAlgorithms(parsePins(keys)), signatures);
  const usable = [...trusted, ...(hasAuthority ? certificates : [])];
  // Last: a machine without a trusted type shows the key that it has, which is rejected, and an error can name that key.
  const others = plain.filter((name) => !usable.includes(name) && policy.hostKeys?.includes(name) !== false);
  const login = [...plain, ...known(plain.map(certificateOf), signatures)].join(',');
  return [
    `KexAlgorithms ${pick(policy.kex, known([...POST_QUANTUM_KEX, ...KEX], kex), 'key exchanges')}`,
    `Ciphers ${pick(policy.ciphers, known(CIPHERS, ciphers), 'ciphers')}`,
    `MACs ${pick(policy.macs, known(MACS, macs), 'MACs')}`,
    `HostKeyAlgorithms ${[pick(policy.hostKeys, usable, 'host key algorithms of this machine'), ...others].join(',')}`,
    'Compression no',
    // Names that depend on the version; each client takes those that it knows.
    'IgnoreUnknown PubkeyAcceptedAlgorithms,PubkeyAcceptedKeyTypes,CASignatureAlgorithms,RequiredRSASize',
    ...['PubkeyAcceptedAlgorithms', 'PubkeyAcceptedKeyTypes'].map(
      (word) => `${word} ${pick(policy.signatures, login.split(','), 'signatures')}`,
    ),
    `CASignatureAlgorithms ${pick(policy.authorities, plain, 'signatures of certificate authorities')}`,
    `RequiredRSASize ${Math.max(MIN_RSA_BITS, policy.rsaBits ?? 0)}`,
  ];
}

function certificateOf(algorithm: string): string {
  return algorithm.includes('@') ? algorithm.replace('@', '-cert-v01@') : `${algorithm}-cert-v01@openssh.com`;
}
