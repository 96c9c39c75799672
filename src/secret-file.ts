/** Secrets of the worker that a spec names: files in one directory, read anew for each use. */
import { join } from 'node:path';
import type { ErrorType } from './domain/shared/errors';
import { OspatchError } from './domain/shared/errors';
import { SECRET_NAME, SECRET_NAME_FORMAT } from './domain/shared/secret-name';
import { plainText } from './domain/shared/text';
import { readTrusted } from './trusted-file';

const MAX_SECRET_BYTES = 16 * 1024;
const MAX_PUBLIC_BYTES = 1024 * 1024;

export interface SecretOptions {
  /** Null: the worker has no such directory. */
  secretDir: string | null;
  /** What the file is for, e.g. `the token for alertmanager:9093`. */
  what: string;
  /** Of the errors. */
  type: ErrorType;
}

/**
 * The content of a secret without white space around it.
 * @throws OspatchError when the file is missing, empty, or can be read or changed by others
 */
export function readSecret(name: string, options: SecretOptions): string {
  const content = read(name, true, MAX_SECRET_BYTES, options).trim();
  if (content !== '') return content;
  throw refuse(options, `${named(name, options)} is empty`, `write the secret into the file ${name}`);
}

/** The same for what everybody may read but nobody else may change, such as certificates. */
export function readPublic(name: string, options: SecretOptions): string {
  return read(name, false, MAX_PUBLIC_BYTES, options);
}

function read(name: string, secret: boolean, maxBytes: number, options: SecretOptions): string {
  const { secretDir, type } = options;
  if (secretDir === null) {
    const remedy = 'set OSPATCH_SECRET_DIR on the worker';
    throw refuse(options, `${named(name, options)} is not read: the worker has no secrets directory`, remedy);
  }
  if (!SECRET_NAME.test(name)) {
    throw refuse(options, `${named(name, options)} is not read: its name is not allowed`, `use ${SECRET_NAME_FORMAT}`);
  }
  const what = `${named(name, options)} (OSPATCH_SECRET_DIR)`;
  return readTrusted(join(secretDir, name), { secret, what, type, maxBytes }).toString('utf8');
}

function named(name: string, { what }: SecretOptions): string {
  return `the file ${plainText(name, 100)} with ${what}`;
}

function refuse({ type }: SecretOptions, message: string, remedy: string): OspatchError {
  return new OspatchError({ type, message, remedy });
}
