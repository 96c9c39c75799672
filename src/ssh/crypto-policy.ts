/**
 * The system-wide crypto policy, for example that of RHEL: lines of ssh_config in a file that the administrator of the
 * worker names. Only what restricts algorithms is read; nothing in the file can run a program or name another host.
 */
import { statSync } from 'node:fs';
import { OspatchError } from '../domain/shared/errors';
import { readTrusted } from '../trusted-file';

/** Algorithms that the policy allows; absent: it says nothing about them. */
export interface CryptoPolicy {
  kex?: readonly string[];
  ciphers?: readonly string[];
  macs?: readonly string[];
  hostKeys?: readonly string[];
  signatures?: readonly string[];
  authorities?: readonly string[];
  rsaBits?: number;
}

type ListField = Exclude<keyof CryptoPolicy, 'rsaBits'>;

/** In lower case, as ssh_config(5) compares keywords. */
const LISTS: Readonly<Record<string, ListField>> = {
  kexalgorithms: 'kex',
  ciphers: 'ciphers',
  macs: 'macs',
  hostkeyalgorithms: 'hostKeys',
  pubkeyacceptedalgorithms: 'signatures',
  pubkeyacceptedkeytypes: 'signatures',
  casignaturealgorithms: 'authorities',
};

export const INCLUDE_SETTING = 'OSPATCH_SSH_INCLUDE';

/** As in ssh_config, the first value of a keyword counts. Conditional sections are not read. */
export function parseCryptoPolicy(text: string): CryptoPolicy {
  const policy: { -readonly [K in keyof CryptoPolicy]: CryptoPolicy[K] } = {};
  for (const line of text.split('\n')) {
    const [, keyword = '', rest = ''] = /^\s*([A-Za-z0-9]+)(?:\s*=\s*|\s+)(.*)$/.exec(line) ?? [];
    const word = keyword.toLowerCase();
    if (word === 'match' || word === 'host') break;
    const value = /^"?([^"\s]*)"?\s*(?:#.*)?$/.exec(rest.trim())?.[1] ?? '';
    if (word === 'requiredrsasize' && /^\d{1,5}$/.test(value)) policy.rsaBits ??= Number(value);
    const field = LISTS[word];
    if (field === undefined) continue;
    if (!/^[A-Za-z0-9][A-Za-z0-9@.,_-]*$/.test(value)) {
      throw new OspatchError({
        type: 'IdentityUnavailable',
        message: `${keyword} in the file of ${INCLUDE_SETTING} is not a plain list of algorithms`,
        remedy: 'write the algorithms that are allowed, separated by commas, without +, -, ^ and wildcards',
      });
    }
    policy[field] ??= value.split(',');
  }
  return policy;
}

/** `ours` in the order of the policy, as far as it allows them. */
export function allowedBy<T extends string>(
  list: readonly string[] | undefined,
  ours: readonly T[],
  what: string,
): T[] {
  if (list === undefined) return [...ours];
  const both = list.flatMap((name) => ours.filter((own) => own === name));
  if (both.length > 0) return [...new Set(both)];
  throw new OspatchError({
    type: 'IdentityUnavailable',
    message: `the crypto policy of the worker (${INCLUDE_SETTING}) allows none of the ${what} that ospatch uses`,
    remedy: 'allow one of the algorithms of "SSH" in docs/security.md',
  });
}

/** Follows the file: a policy that changes holds for the next connection. */
export class CryptoPolicyFile {
  private known: { stamp: string; policy: CryptoPolicy } | null = null;

  /** `file`: null for no policy. */
  constructor(private readonly file: string | null) {}

  /** @throws OspatchError `IdentityUnavailable`: a policy that cannot be read opens nothing */
  current(): CryptoPolicy {
    if (this.file === null) return {};
    const stats = statSync(this.file, { throwIfNoEntry: false });
    const stamp = `${stats?.ino} ${stats?.mtimeMs} ${stats?.size} ${stats?.mode} ${stats?.uid}`;
    if (this.known?.stamp !== stamp) {
      const what = `the crypto policy (${INCLUDE_SETTING})`;
      const text = readTrusted(this.file, { secret: false, what, type: 'IdentityUnavailable', maxBytes: 64 * 1024 });
      this.known = { stamp, policy: parseCryptoPolicy(text.toString('utf8')) };
    }
    return this.known.policy;
  }
}
