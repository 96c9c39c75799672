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

/** Shorter parts of a secret occur in ordinary text. */
const MIN_PART = 8;
const MIN_SECRET = 4;

/** The text with no secret in it, in any form in which a server or a tool may repeat one. */
export function hideSecrets(text: string, secrets: readonly string[]): string {
  const forms = [...new Set(secrets.filter(({ length }) => length >= MIN_SECRET).flatMap(formsOf))].sort(
    (one, other) => other.length - one.length,
  );
  const hidden = forms.reduce((rest, form) => rest.replaceAll(form, '[redacted]'), text);
  return forms.reduce(withoutCut, hidden);
}

/** What was cut off in the middle of a secret ends with its beginning. */
function withoutCut(text: string, form: string): string {
  for (let length = Math.min(form.length - 1, text.length); length >= MIN_PART; length -= 1) {
    if (text.endsWith(form.slice(0, length))) return `${text.slice(0, -length)}[redacted]`;
  }
  return text;
}

function formsOf(secret: string): string[] {
  const plain = [secret, ...partsOfUrl(secret), secret.replace(/^whsec_/, '')].filter(
    ({ length }) => length >= MIN_SECRET,
  );
  return plain.flatMap((one) => [one, encodeURIComponent(one), JSON.stringify(one).slice(1, -1), ...base64Of(one)]);
}

/** A server that does not know a path repeats the path, not the URL. */
function partsOfUrl(text: string): string[] {
  if (!URL.canParse(text)) return [];
  const { pathname, search, searchParams, username, password } = new URL(text);
  const parts = [...pathname.split('/'), ...searchParams.values(), username, password];
  const whole = [pathname, `${pathname}${search}`];
  return [...whole, ...parts, ...parts.flatMap(decoded)].filter(({ length }) => length >= MIN_PART);
}

function decoded(text: string): string[] {
  try {
    return [decodeURIComponent(text)];
  } catch {
    return [];
  }
}

/** In base64 of anything that contains the text, such as a login: its characters depend on how many bytes stand before it. */
function base64Of(text: string): string[] {
  return [0, 1, 2].flatMap((before) => {
    const bytes = Buffer.concat([Buffer.alloc(before), Buffer.from(text)]);
    const own = bytes.toString('base64').slice(Math.ceil((before * 8) / 6), Math.floor((bytes.length * 8) / 6));
    return own.length >= MIN_PART ? [own] : [];
  });
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
