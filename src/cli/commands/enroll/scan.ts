/** Reads the host keys of machines for their enrolment. */
import { hmacSha1 } from '../../../client/load/host-keys';
import { isOspatchError } from '../../../domain/shared/errors';
import { HOST_KEY_TYPES, trustsAnything } from '../../../domain/trust/host-keys';
import { hostKeysFor } from '../../../domain/trust/known-hosts';
import type { ScannedHostKey } from '../../../ssh/builtin/scan';
import { scanHostKey } from '../../../ssh/builtin/scan';
import { parsePins } from '../../../ssh/host-keys';
import { REFUSED } from '../../render/enroll';
import type { ScannedNode } from '../../render/enroll';
import type { ExpectedKeys } from './expected';
import { expectedOf } from './expected';
import type { EnrolledMachine } from './machines';

const SCAN_TIMEOUT_MS = 10_000;

/** The host key that a machine shows, compared with those that are trusted or expected. */
export async function scanMachine(
  { name, host, port, hostKeys, behind }: EnrolledMachine,
  knownHosts: string,
  expected: ExpectedKeys | null,
): Promise<ScannedNode['found']> {
  if (hostKeys.some((entry) => entry.startsWith('@cert-authority'))) return { state: 'trusted' };
  if (behind !== null) {
    if (trustsAnything(hostKeys, false)) return { state: 'trusted' };
    const given = await keyGivenFor({ name, host, port }, expected);
    if (given !== null) return given;
    const why = `${name} is behind the jump host ${behind}, and \`ospatch enroll\` connects directly only; read its key on its console, or there with ssh-keyscan -p ${port} ${host}, and put it into known_hosts or hostKeys`;
    return { state: 'unreachable', why };
  }
  try {
    const pins = parsePins(hostKeys);
    const anyKey = (): Promise<ScannedHostKey> => scanHostKey(host, port, SCAN_TIMEOUT_MS);
    // Without a key of the known types the machine closes the connection; then its actual key is read for the report.
    const scanning = pins.length === 0 ? anyKey() : scanHostKey(host, port, SCAN_TIMEOUT_MS, pins).catch(anyKey);
    const { type, base64, fingerprint } = await scanning;
    const key = `${type} ${base64}`;
    const { revoked } = hostKeysFor(knownHosts, host, port, hmacSha1);
    if (revoked.includes(key)) return { state: 'refused', type, fingerprint, why: REFUSED.revoked };
    if (hostKeys.includes(key)) return await knownAs({ name, host, port }, { type, base64, fingerprint }, expected);
    if (pins.length > 0) return { state: 'refused', type, fingerprint, why: REFUSED.known };
    if (expected === null) return { state: 'new', type, base64, fingerprint };
    return await compare({ name, host, port }, { type, base64, fingerprint }, expected);
  } catch (error) {
    if (!isOspatchError(error)) throw error;
    // The scan error contains the address instead of the name.
    return { state: 'unreachable', why: error.message.replace(host, name) };
  }
}

/** A machine that is not connected to is trusted by its whole key in the file of --expect, not by a fingerprint. */
async function keyGivenFor(
  machine: { name: string; host: string; port: number },
  expected: ExpectedKeys | null,
): Promise<ScannedNode['found'] | null> {
  if (expected === null) return null;
  const [print, key] = [...expectedOf(expected, machine)].find(([, one]) => one !== null) ?? [];
  if (print === undefined || key === undefined || key === null) return null;
  const [type = '', base64 = ''] = key.split(' ');
  return { state: 'new', type, base64, fingerprint: print };
}

/** A key that was trusted before, perhaps blindly, is refused where the file names others for this machine. */
async function knownAs(
  machine: { name: string; host: string; port: number },
  shown: ScannedHostKey,
  expected: ExpectedKeys | null,
): Promise<ScannedNode['found']> {
  const known: ScannedNode['found'] = { state: 'known', fingerprint: shown.fingerprint };
  if (expected === null || expectedOf(expected, machine).size === 0) return known;
  const found = await compare(machine, shown, expected);
  return found.state === 'new' ? known : found;
}

/** The key that the machine shows and the file expects, of whatever type; every other one is refused. */
async function compare(
  machine: { name: string; host: string; port: number },
  shown: ScannedHostKey,
  expected: ExpectedKeys,
): Promise<ScannedNode['found']> {
  const wanted = expectedOf(expected, machine);
  const { type, fingerprint } = shown;
  if (wanted.size === 0) return { state: 'refused', type, fingerprint, why: REFUSED.notNamed };
  if (wanted.has(fingerprint)) return { state: 'new', ...shown };
  // The file may have the fingerprint of another of its keys.
  for (const other of HOST_KEY_TYPES.filter((one) => one !== type)) {
    const pins = [{ type: other, blob: Buffer.alloc(0) }];
    const found = await scanHostKey(machine.host, machine.port, SCAN_TIMEOUT_MS, pins).catch(() => null);
    if (found !== null && wanted.has(found.fingerprint)) return { state: 'new', ...found };
  }
  return { state: 'refused', type, fingerprint, why: REFUSED.expected };
}
