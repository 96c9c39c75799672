/** The files of `ospatch init`: compared with what is there, written together or not at all. */
import { constants } from 'node:fs';
import { access, chmod, chown, mkdir, readFile, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { codeOf } from '../../../domain/shared/error-code';
import { OspatchError } from '../../../domain/shared/errors';
import { plural } from '../../../domain/shared/plural';
import { redactSecrets } from '../../../domain/shared/redact';
import type { CliContext } from '../../io/context';
import { print, printNote } from '../../io/output';
import type { Prompter } from '../../io/prompter';
import { replaceFile } from '../../io/replace-file';
import { changedLines } from '../../render/text-diff';

export interface PlannedFile {
  path: string;
  what: string;
  text: string;
  /** Of a new file. */
  mode: number;
  /** The content today; null: there is none. */
  before: string | null;
}

const MAX_SHOWN = 40;

/** @throws OspatchError `Usage` when it exists and cannot be read */
export async function readIfThere(file: string): Promise<string | null> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return null;
    throw unusable(file, 'read', cause);
  }
}

/** @throws OspatchError `Usage` when a file could not be written later */
export async function assertWritable(files: readonly string[]): Promise<void> {
  for (const file of files) {
    const directory = await firstExisting(path.dirname(file));
    try {
      await access(directory, constants.W_OK | constants.X_OK);
    } catch (cause) {
      throw unusable(file, 'written', cause);
    }
  }
}

async function firstExisting(directory: string): Promise<string> {
  const found = await stat(directory).catch(() => null);
  if (found?.isDirectory() === true || path.dirname(directory) === directory) return directory;
  return firstExisting(path.dirname(directory));
}

/**
 * The files that have to be written, after the user has seen how they differ from those that exist. Null: the user declined.
 *
 * @param options `newKey`: the path of a key that will be made; null: none
 * @throws OspatchError `Usage` for a file of which something would be lost, without a terminal and `--force`
 */
export async function settleFiles(
  context: CliContext,
  prompter: Prompter | null,
  planned: readonly PlannedFile[],
  { isForced, newKey }: { isForced: boolean; newKey: string | null },
): Promise<PlannedFile[] | null> {
  for (const { path: file, what } of planned.filter(({ before, text }) => before === text))
    print(context, `kept: ${file} (${what})`);
  const wanted = planned.filter(({ before, text }) => before !== text);
  const changed = wanted.filter(({ before }) => before !== null);
  for (const file of changed) showDifference(context, file);
  const replaced = changed.filter((file) => !keepsAll(file));
  if (replaced.length > 0 && prompter === null && !isForced) {
    throw new OspatchError({
      type: 'Usage',
      message: `${replaced.map(({ path: file }) => file).join(', ')} ${replaced.length === 1 ? 'exists and differs' : 'exist and differ'} from what would be written`,
      remedy:
        'read the difference above; --force writes it; --dir (spec) and --config-dir (worker) name other directories',
    });
  }
  const count = wanted.length + (newKey === null ? 0 : 1);
  if (count === 0 || prompter === null) return wanted;
  for (const { path: file, what, before } of wanted)
    printNote(context, `${before === null ? 'new' : 'changed'}: ${file} (${what})`);
  if (newKey !== null) printNote(context, `new: ${newKey} (the key of the worker)`);
  const isYes = isForced || replaced.length === 0;
  return (await prompter.confirm(`write ${plural(count, 'file')}?`, isYes)) ? wanted : null;
}

/** Lines are added, or take the place of comments, as in the settings that a package brings: nothing of anybody is lost. */
function keepsAll({ before, text }: PlannedFile): boolean {
  return changedLines(before ?? '', text).every((line) => line.startsWith('+ ') || /^- \s*(?:#|$)/.test(line));
}

function showDifference(context: CliContext, { path: file, before, text }: PlannedFile): void {
  const lines = changedLines(before ?? '', text).map(withoutSecret);
  printNote(context, `${file} would change:`);
  for (const line of lines.slice(0, MAX_SHOWN)) printNote(context, `  ${line}`);
  if (lines.length > MAX_SHOWN) printNote(context, `  and ${lines.length - MAX_SHOWN} more lines`);
}

function withoutSecret(line: string): string {
  return redactSecrets(line.replace(/(TEMPORAL_(?:API_KEY|TLS_\w+_DATA|CODEC_AUTH|GRPC_META_\w+)=).+/, '$1[redacted]'));
}

/** Writes all files; after a failure those that were written are what they were before. @throws OspatchError `Usage` */
export async function writeFiles(context: CliContext, files: readonly PlannedFile[]): Promise<void> {
  const done: PlannedFile[] = [];
  try {
    for (const file of files) {
      await makeDirectory(path.dirname(file.path));
      done.push(file);
      await replaceFile(file.path, file.text, file.mode);
    }
  } catch (cause) {
    for (const file of done) await restore(file);
    throw unusable(done.at(-1)?.path ?? files[0]?.path ?? '', 'written', cause);
  }
  for (const { path: file, what } of files) print(context, `written: ${file} (${what})`);
}

async function restore({ path: file, before, mode }: PlannedFile): Promise<void> {
  // What cannot be restored is named by the error of the first failure.
  if (before === null) await rm(file, { force: true }).catch(() => undefined);
  else await replaceFile(file, before, mode).catch(() => undefined);
}

/** Those on the way to `directories` that do not exist, the deepest first. */
export async function missingDirectories(directories: readonly string[]): Promise<string[]> {
  const missing = new Set<string>();
  for (const directory of directories) {
    for (let at = directory; (await stat(at).catch(() => null)) === null; at = path.dirname(at)) missing.add(at);
  }
  return [...missing].toSorted((one, other) => other.length - one.length);
}

/** With those above it; one that exists stays as it is. */
export async function makeDirectory(directory: string): Promise<void> {
  if (await stat(directory).catch(() => null)) return;
  await makeDirectory(path.dirname(directory));
  await mkdir(directory, { mode: 0o755 });
}

/** As root, a secret goes to the group of its directory, where that is the group of a service (root:ospatch, mode 2750). */
export async function giveToGroup(file: string): Promise<void> {
  if (process.geteuid?.() !== 0) return;
  const { gid, mode } = await stat(path.dirname(file));
  if (gid === 0 || (mode & 0o050) === 0) return;
  await chown(file, 0, gid);
  await chmod(file, 0o640);
}

function unusable(file: string, what: 'read' | 'written', cause: unknown): OspatchError {
  const code = codeOf(cause) ?? 'unknown reason';
  const why = code === 'EACCES' || code === 'EPERM' ? `permission denied (${code})` : code;
  return new OspatchError(
    {
      type: 'Usage',
      message: `${file} cannot be ${what}: ${why}; nothing was written`,
      remedy: 'run the command as a user that may do so, or name other directories with --dir and --config-dir',
    },
    { cause },
  );
}
