/** The payload encryption keys: files in one directory, identical for workers and clients. */
import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { OspatchError, isOspatchError } from '../domain/shared/errors';
import { show } from '../domain/spec/issues';
import { UntrustedFile, checkTrusted, readTrusted } from '../trusted-file';

/** The setting that turns encryption on: the key directory. */
export const KEYS_SETTING = 'OSPATCH_ENCRYPTION_KEYS';

/** The setting that makes a worker act on nothing that is not encrypted. */
export const REQUIRED_SETTING = 'OSPATCH_ENCRYPTION_REQUIRED';

/** File that names the encrypting key when there are several. */
const CURRENT = 'current';
const SUFFIX = '.key';
const KEY_BYTES = 32;
const KEY_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

export interface EncryptionKey {
  /** Name and fingerprint, so that different keys of one name are distinguished. */
  id: string;
  key: Buffer;
}

export interface KeyRing {
  directory: string;
  /** The first key encrypts, all keys decrypt. Never empty. */
  keys: readonly [EncryptionKey, ...EncryptionKey[]];
}

/** The keys from `OSPATCH_ENCRYPTION_KEYS`; null when it is not set. @throws OspatchError `Usage` */
export function keyRingFromEnv(env: Readonly<Record<string, string | undefined>>): KeyRing | null {
  const directory = env[KEYS_SETTING] ?? '';
  return directory === '' ? null : readKeyRing(directory);
}

/** `OSPATCH_ENCRYPTION_REQUIRED`; false when it is not set. @throws OspatchError `Usage` also without keys */
export function encryptionRequiredFromEnv(
  env: Readonly<Record<string, string | undefined>>,
  ring: KeyRing | null,
): boolean {
  const setting = env[REQUIRED_SETTING] ?? '';
  if (setting === '' || setting === '0' || setting === 'false') return false;
  if (setting !== '1' && setting !== 'true') {
    throw problem(
      `${REQUIRED_SETTING}: found ${show(setting)}; allowed: 1 or 0`,
      `set ${REQUIRED_SETTING}=1, or leave it out`,
    );
  }
  if (ring === null) {
    throw problem(
      `${REQUIRED_SETTING} is set, and there are no keys`,
      `set ${KEYS_SETTING} to the directory of the keys too`,
    );
  }
  return true;
}

/**
 * Reads `NAME.key` files, each 32 bytes in base64 or hex, and the file `current`, which names the encrypting key. Other
 * files are ignored.
 *
 * @throws OspatchError `Usage`
 */
export function readKeyRing(directory: string): KeyRing {
  const files = list(directory);
  const keys = files
    .filter((file) => file.endsWith(SUFFIX) && !file.startsWith('.'))
    .map((file) => readKey(directory, file));
  const [only, ...others] = keys;
  if (only === undefined) {
    throw problem(`${directory} holds no key`, `make one: openssl rand -base64 32 > ${directory}/2026-11.key`);
  }
  const isNamed = files.includes(CURRENT);
  if (others.length === 0 && !isNamed) return { directory, keys: [only] };
  if (!isNamed) {
    throw problem(
      `${directory} holds ${keys.length} keys, and no file ${CURRENT} says which of them encrypts`,
      `write the name of one into it, e.g.: echo ${nameOf(only)} > ${directory}/${CURRENT}`,
    );
  }
  const wanted = readTrusted(path.join(directory, CURRENT), {
    secret: false,
    what: `the file ${CURRENT} of ${KEYS_SETTING}`,
  })
    .toString()
    .trim();
  const first = keys.find((key) => nameOf(key) === wanted);
  if (first === undefined) {
    throw problem(
      `${path.join(directory, CURRENT)} names the key ${show(wanted)}, which is not there`,
      `${directory} has: ${keys.map(nameOf).join(', ')}`,
    );
  }
  return { directory, keys: [first, ...keys.filter((key) => key !== first)] };
}

function readKey(directory: string, file: string): EncryptionKey {
  const name = file.slice(0, -SUFFIX.length);
  const full = path.join(directory, file);
  if (!KEY_NAME.test(name)) {
    throw problem(`the key file ${show(file)} has no usable name`, 'use letters, digits, dots and hyphens');
  }
  const text = readTrusted(full, { secret: true, what: `the key ${name} (${KEYS_SETTING})` })
    .toString()
    .trim();
  const key = Buffer.from(text, /^[0-9a-fA-F]{64}$/.test(text) ? 'hex' : 'base64');
  if (key.length !== KEY_BYTES) {
    throw problem(
      `${full} is not a key: allowed are ${KEY_BYTES} random bytes in base64 or hex`,
      `make one: openssl rand -base64 32 > ${full}`,
    );
  }
  const fingerprint = createHash('sha256').update('ospatch payload key\n').update(key).digest('hex').slice(0, 12);
  return { id: `${name}:${fingerprint}`, key };
}

function nameOf({ id }: EncryptionKey): string {
  return id.slice(0, id.lastIndexOf(':'));
}

function list(directory: string): string[] {
  try {
    const what = `the key directory (${KEYS_SETTING})`;
    return readdirSync(checkTrusted(directory, { secret: false, kind: 'directory', what }).path).toSorted();
  } catch (cause) {
    const isMissing = cause instanceof UntrustedFile && cause.problem === 'missing';
    if (isOspatchError(cause) && !isMissing) throw cause;
    const why = isMissing ? 'there is no directory' : 'cannot read the directory';
    throw problem(`${KEYS_SETTING}: ${why} ${show(directory)}`, 'name the directory with the key files', cause);
  }
}

function problem(message: string, remedy: string, cause?: unknown): OspatchError {
  return new OspatchError({ type: 'Usage', message, remedy }, { cause });
}
