import { open, readdir, stat } from 'node:fs/promises';
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
  failures: SourceFailure[];
}

/** `why` completes a sentence that begins with the name. */
export interface SourceFailure {
  name: string;
  why: string;
  remedy: string;
}

interface SourceOptions {
  stdin?: () => Promise<string>;
  cwd?: string;
}

// A spec of 5,000 nodes with three host keys each has about 4.5 MiB.
const MAX_BYTES = 8 * 1_048_576;
const TOO_LARGE = 'is larger than 8 MiB; split it into several files';
const SPLIT = 'put the clusters into several files, and name their directory';
/** Sources in a command line. */
const MAX_NAMED = 3;
const STDIN_NAME = '<stdin>';

/** Behind -f; a placeholder where they are too many for one line, or are standard input. */
export function sourcesInCommand(sources: readonly string[]): string {
  if (sources.length > MAX_NAMED) return 'FILES';
  return sources.includes('-') ? 'FILE' : sources.join(' ');
}

/**
 * The files of sources: each a file, a directory (its *.yaml and *.yml, sorted, not recursive) or `-`. A file that two sources
 * name is read once.
 */
export async function readSources(sources: readonly string[], options: SourceOptions): Promise<Sources> {
  const seen = new Set<string>();
  const read: Sources = { files: [], failures: [] };
  for (const source of new Set(sources)) {
    const { files, failures } = await readSource(source, options, seen);
    read.files.push(...files);
    read.failures.push(...failures);
  }
  return read;
}

async function readSource(source: string, options: SourceOptions, seen: Set<string>): Promise<Sources> {
  const cwd = options.cwd ?? process.cwd();
  if (source === '-') return readStdin(options, cwd);
  const { names, failures } = await listFiles(source, cwd);
  const files: SourceFile[] = [];
  for (const name of names) {
    const path = resolve(cwd, name);
    if (seen.has(path)) continue;
    seen.add(path);
    const read = await readText(path, MAX_BYTES);
    if ('text' in read) files.push({ name, directory: dirname(path), text: read.text });
    else failures.push({ name, why: read.why, remedy: read.remedy });
  }
  return { files, failures };
}

async function readStdin(options: SourceOptions, cwd: string): Promise<Sources> {
  const text = (await options.stdin?.()) ?? '';
  if (Buffer.byteLength(text) <= MAX_BYTES)
    return { files: [{ name: STDIN_NAME, directory: cwd, text }], failures: [] };
  return { files: [], failures: [{ name: STDIN_NAME, why: TOO_LARGE, remedy: SPLIT }] };
}

async function listFiles(source: string, cwd: string): Promise<{ names: string[]; failures: Sources['failures'] }> {
  try {
    if (!(await stat(resolve(cwd, source))).isDirectory()) return { names: [source], failures: [] };
    const entries = await readdir(resolve(cwd, source));
    const names = entries.filter((name) => /\.ya?ml$/.test(name)).sort();
    if (names.length === 0) {
      const remedy = 'name one file, or a directory with *.yaml files in it; directories below are not searched';
      return { names, failures: [{ name: source, why: 'has no *.yaml or *.yml file in it', remedy }] };
    }
    return { names: names.map((name) => join(source, name)), failures: [] };
  } catch (error) {
    return { names: [], failures: [{ name: source, ...describeUnreadable(error) }] };
  }
}

type ReadText = { text: string } | { code: string; why: string; remedy: string };

/** The text of a file of at most `maxBytes`; `why` completes a sentence that begins with its name. */
export async function readText(path: string, maxBytes: number): Promise<ReadText> {
  try {
    const bytes = await readAtMost(path, maxBytes);
    if (bytes === null) {
      return { code: 'EFBIG', why: maxBytes === MAX_BYTES ? TOO_LARGE : 'is too large', remedy: SPLIT };
    }
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch (error) {
    return { code: codeOf(error) ?? '', ...describeUnreadable(error) };
  }
}

/** Null for a larger file. Pipes and devices have no size, so the bytes are counted as they are read. */
async function readAtMost(path: string, maxBytes: number): Promise<Buffer | null> {
  const file = await open(path);
  try {
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of file.createReadStream({ autoClose: false, end: maxBytes })) {
      chunks.push(chunk as Buffer);
      size += (chunk as Buffer).length;
    }
    return size > maxBytes ? null : Buffer.concat(chunks);
  } finally {
    await file.close();
  }
}

function describeUnreadable(error: unknown): { why: string; remedy: string } {
  const remedy = 'give the user that runs ospatch access to the file';
  switch (codeOf(error)) {
    case 'ENOENT':
    case 'ENOTDIR':
      return {
        why: 'does not exist',
        remedy: 'name a file or directory that exists; names are relative to the working directory',
      };
    case 'EACCES':
      return { why: 'cannot be read: permission denied', remedy };
    case 'EISDIR':
      return { why: 'is a directory', remedy: 'name a file' };
    case 'ELOOP':
      return { why: 'is a symbolic link to itself', remedy: 'name the file itself' };
    case 'ERR_ENCODING_INVALID_ENCODED_DATA':
      return { why: 'is not UTF-8 text', remedy: 'name a YAML file, and save it as UTF-8' };
    default:
      return { why: `cannot be read: ${error instanceof Error ? error.message : String(error)}`, remedy };
  }
}
