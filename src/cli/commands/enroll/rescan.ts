/** What a machine shows today in the place of its trusted host keys. */
import { lookup } from 'node:dns/promises';
import { HOST_KEY_TYPES } from '../../../domain/trust/host-keys';
import { hostKeysFor, knownHostsName } from '../../../domain/trust/known-hosts';
import { otherNamesOf, parseKnownHostsName } from '../../../domain/trust/replace-known-hosts';
import { isOspatchError } from '../../../domain/shared/errors';
import { mapConcurrently } from '../../../domain/shared/map-concurrently';
import { hmacSha1 } from '../../../client/load/host-keys';
import { fingerprint } from '../../../ssh/host-keys';
import { scanHostKey } from '../../../ssh/builtin/scan';
import { REFUSED } from '../../render/enroll';
import type { ShownKey } from '../../render/replace';
import type { ExpectedOfMachine } from './expected';
import type { EnrolledMachine } from './machines';

const SCAN_TIMEOUT_MS = 10_000;
/** For other names of the machine: one that does not answer keeps its key. */
const ALIAS_TIMEOUT_MS = 4_000;
const SCANS_AT_ONCE = 8;
/** A file may have one key for thousands of machines, made from one template. */
const MAX_ALIASES = 64;

export type Rescan =
  /** `before`, `after`: all keys, each `TYPE BASE64`. */
  | { state: 'changed'; before: string[]; after: string[] }
  /** All trusted keys are still shown. */
  | { state: 'known'; keys: string[] }
  /** Never trusted: revoked, or not an expected one. */
  | { state: 'refused'; shown: ShownKey | null; why: string }
  | { state: 'unreachable'; why: string };

/** `expected`: only these keys may be trusted; null: a person decides. */
export async function rescan(
  machine: EnrolledMachine,
  knownHosts: string,
  expected: ExpectedOfMachine | null,
): Promise<Rescan> {
  const { name, host, port, hostKeys, behind } = machine;
  const before = hostKeys.filter((entry) => !entry.startsWith('@')).map(withoutComment);
  if (before.length === 0) return refused(null, whyNothingToReplace(machine));
  const shown =
    behind === null ? await shownKeys(machine, before) : [...(expected ?? [])].flatMap(([, key]) => key ?? []);
  if (typeof shown === 'string') return { state: 'unreachable', why: shown };
  if (behind !== null && shown.length === 0)
    return {
      state: 'unreachable',
      why: `${name} is behind the jump host ${behind}, and \`ospatch enroll\` connects directly only; read its public key there with ssh-keyscan -p ${port} ${host}, compare it with its console, and give it as a line "${name} TYPE BASE64" of --expect FILE`,
    };
  const { revoked } = hostKeysFor(knownHosts, host, port, hmacSha1);
  const bad = shown.find((key) => revoked.includes(key) || hostKeys.includes(`@revoked ${key}`));
  if (bad !== undefined) return refused(describeKey(bad), REFUSED.revoked);
  const wanted = expected === null ? shown : shown.filter((key) => expected.has(describeKey(key).fingerprint));
  const [first = ''] = shown;
  if (expected !== null && expected.size === 0) return refused(describeKey(first), REFUSED.notNamed);
  if (wanted.length === 0) return refused(describeKey(first), REFUSED.expected);
  // A key that is still shown needs nobody's word.
  const after = shown.filter((key) => wanted.includes(key) || before.includes(key));
  if (before.every((key) => after.includes(key))) return { state: 'known', keys: before };
  return { state: 'changed', before, after };
}

function whyNothingToReplace({ hostKeys, name }: EnrolledMachine): string {
  return hostKeys.length === 0
    ? `has no host key yet; \`ospatch enroll\` without --replace reads it`
    : `is trusted by a certificate authority, whatever key ${name} has`;
}

function refused(shown: ShownKey | null, why: string): Rescan {
  return { state: 'refused', shown, why };
}

/** One key of each type that was trusted; of another type only where the machine has none of these. Why not, as text. */
async function shownKeys(
  { name, host, port }: Pick<EnrolledMachine, 'name' | 'host' | 'port'>,
  before: readonly string[],
): Promise<string[] | string> {
  const shown: string[] = [];
  try {
    const { type, base64 } = await scanHostKey(host, port, SCAN_TIMEOUT_MS);
    const preferred = `${type} ${base64}`;
    for (const wanted of HOST_KEY_TYPES.filter((one) => before.some((key) => key.startsWith(`${one} `)))) {
      const key = wanted === type ? preferred : await keyOfType(host, port, wanted, SCAN_TIMEOUT_MS);
      if (key !== null) shown.push(key);
    }
    return shown.length === 0 ? [preferred] : shown;
  } catch (error) {
    if (!isOspatchError(error)) throw error;
    // The scan error contains the address instead of the name.
    return error.message.replace(host, name);
  }
}

async function keyOfType(host: string, port: number, type: string, timeoutMs: number): Promise<string | null> {
  const pins = [{ type, blob: Buffer.alloc(0) }];
  const found = await scanHostKey(host, port, timeoutMs, pins).catch(() => null);
  return found === null || found.type !== type ? null : `${type} ${found.base64}`;
}

export interface Aliases {
  /** They show a new key, so they are the same machine. */
  alias: string[];
  /** They do not answer. */
  silent: string[];
}

/**
 * Other names that trust one of the old keys in a known_hosts file: on the same lines, on others, or the addresses of the
 * host under a hashed name. One that still shows the old key is another machine, made from the same template.
 */
export async function findAliases(
  text: string,
  { host, port, before, after }: { host: string; port: number; before: readonly string[]; after: readonly string[] },
): Promise<Aliases> {
  const own = knownHostsName(host, port);
  const replaced = before.filter((key) => !after.includes(key));
  const addresses = await lookup(host, { all: true }).catch(() => []);
  const candidates = new Set([
    ...otherNamesOf(text, [own], replaced),
    ...addresses
      .map(({ address }) => knownHostsName(address, port))
      .filter((name) => name !== own && trusts(text, name, replaced)),
  ]);
  const asked = await mapConcurrently([...candidates].slice(0, MAX_ALIASES), SCANS_AT_ONCE, async (name) => ({
    name,
    shows: await shows(name, after),
  }));
  return {
    alias: asked.flatMap(({ name, shows: answer }) => (answer === true ? [name] : [])),
    silent: asked.flatMap(({ name, shows: answer }) => (answer === null ? [name] : [])),
  };
}

function trusts(text: string, name: string, keys: readonly string[]): boolean {
  const { host, port } = parseKnownHostsName(name);
  return hostKeysFor(text, host, port, hmacSha1).keys.some((key) => keys.includes(key));
}

/** Whether one of the keys is shown there; null without an answer. */
async function shows(name: string, keys: readonly string[]): Promise<boolean | null> {
  const { host, port } = parseKnownHostsName(name);
  const pins = keys.map((key) => ({ type: key.split(' ')[0] ?? '', blob: Buffer.alloc(0) }));
  const found = await scanHostKey(host, port, ALIAS_TIMEOUT_MS, pins).catch(() => null);
  return found === null ? null : keys.includes(`${found.type} ${found.base64}`);
}

export function describeKey(key: string): ShownKey {
  const [type = '', base64 = ''] = key.split(' ');
  return { type, fingerprint: fingerprint(Buffer.from(base64, 'base64')) };
}

function withoutComment(entry: string): string {
  return entry.trim().split(/\s+/).slice(0, 2).join(' ');
}
