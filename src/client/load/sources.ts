import { readFile, readdir, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { codeOf } from '../../domain/shared/error-code';

export interface SourceFile {
  /** As the user named it. */
  name: string;
  /** Absolute path of the directory for files named in the spec. */
  directory: string;
  text: string;
}

export interface Sources {
  files: SourceFile[];
  failures: { name: string; why: string }[];
}

interface SourceOptions {
  stdin?: () => Promise<string>;
  cwd?: string;
}

// A spec of 5,000 nodes with three host keys each has about 4.5 MiB.
const MAX_BYTES = 8 * 1_048_576;
const TOO_LARGE = 'is larger than 8 MiB; split it into several files';
const STDIN_NAME = '<stdin>';

/** The files of a source: a file, a directory (its *.yaml and *.yml, sorted, not recursive) or `-`. */
export async function readSources(source: string, options: SourceOptions): Promise<Sources> {
  const cwd = options.cwd ?? process.cwd();
  if (source === '-') return readStdin(options, cwd);
  const { names, failures } = await listFiles(source, cwd);
  const files: SourceFile[] = [];
  for (const name of names) {
    const path = resolve(cwd, name);
    const read = await readText(path, MAX_BYTES);
    if ('text' in read) files.push({ name, directory: dirname(path), text: read.text });
    else failures.push({ name, why: read.why });
  }
  return { files, failures };
}

async function readStdin(options: SourceOptions, cwd: string): Promise<Sources> {
  const text = (await options.stdin?.()) ?? '';
  if (Buffer.byteLength(text) <= MAX_BYTES)
    return { files: [{ name: STDIN_NAME, directory: cwd, text }], failures: [] };
  return { files: [], failures: [{ name: STDIN_NAME, why: TOO_LARGE }] };
}

async function listFiles(source: string, cwd: string): Promise<{ names: string[]; failures: Sources['failures'] }> {
  try {
    if (!(await stat(resolve(cwd, source))).isDirectory()) return { names: [source], failures: [] };
    const entries = await readdir(resolve(cwd, source));
    const names = entries.filter((name) => /\.ya?ml$/.test(name)).sort();
    if (names.length === 0) return { names, failures: [{ name: source, why: 'has no *.yaml or *.yml file in it' }] };
    return { names: names.map((name) => join(source, name)), failures: [] };
  } catch (error) {
    return { names: [], failures: [{ name: source, why: whyUnreadable(error) }] };
  }
}

type ReadText = { text: string } | { code: string; why: string };

/** The text of a file of at most `maxBytes`; `why` completes a sentence that begins with its name. */
export async function readText(path: string, maxBytes: number): Promise<ReadText> {
  try {
    const info = await stat(path);
    if (info.size > maxBytes) return { code: 'EFBIG', why: maxBytes === MAX_BYTES ? TOO_LARGE : 'is too large' };
    const bytes = await readFile(path);
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch (error) {
    return { code: codeOf(error) ?? '', why: whyUnreadable(error) };
  }
}

function whyUnreadable(error: unknown): string {
  switch (codeOf(error)) {
    case 'ENOENT':
    case 'ENOTDIR':
      return 'does not exist';
    case 'EACCES':
      return 'cannot be read: permission denied';
    case 'EISDIR':
      return 'is a directory';
    case 'ERR_ENCODING_INVALID_ENCODED_DATA':
      return 'is not UTF-8 text';
    default:
      return `cannot be read: ${error instanceof Error ? error.message : String(error)}`;
  }
}
