import { ALL_HOST_KEY_ALGORITHMS, fingerprint, isTrusted, parsePins, pinnedAlgorithms } from '../../src/ssh/host-keys';
import { keyPair } from './support';

const key = keyPair();
const other = keyPair();
const blob = (text: string): Buffer => Buffer.from(text.split(' ')[1] ?? '', 'base64');

describe('src/ssh/host-keys', () => {
  it('returns a boolean: ssh2 accepts every key for anything else', () => {
    const pins = parsePins([key.public]);
    expect(isTrusted(pins, blob(key.public))).toBe(true);
    expect(isTrusted(pins, blob(other.public))).toBe(false);
    expect(isTrusted(pins, blob(key.public).subarray(0, 20))).toBe(false);
    expect(isTrusted([], blob(key.public))).toBe(false);
  });

  it('trusts nothing for an entry that is not a key of the named type', () => {
    expect(
      parsePins(['ssh-rsa AAAA', 'ssh-dss AAAA', `ssh-rsa ${key.public.split(' ')[1]}`, 'ssh-ed25519', '']),
    ).toEqual([]);
  });

  it('negotiates only pinned types, and RSA only with SHA-2', () => {
    expect(pinnedAlgorithms(parsePins([key.public, other.public]))).toEqual(['ssh-ed25519']);
    expect(pinnedAlgorithms(parsePins([keyPair('rsa').public]))).toEqual(['rsa-sha2-512', 'rsa-sha2-256']);
    expect(ALL_HOST_KEY_ALGORITHMS).not.toContain('ssh-rsa');
  });

  it('prints fingerprints like OpenSSH', () => {
    const known = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAxnHCb+goBxZb/cKhzMwzl8exIMLtZmpmFxbWTZdtga';
    expect(fingerprint(blob(known))).toBe('SHA256:jwE7ClaMw42farl2laPuANapYHn2Y1VXyQRTGRVJJ4E');
  });
});
