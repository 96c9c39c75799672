/** Files that only their owner can read, written atomically. */
import { randomUUID } from 'node:crypto';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { OspatchError } from '../../domain/shared/errors';
import { codeOf } from '../../domain/shared/error-code';

const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;

/** Names from Temporal that are safe as file names: no path, no hidden file, no option. */
const SAFE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/;

/** Creates the directory with private permissions if it does not exist. @throws OspatchError `Usage` */
export async function prepareDirectory(path: string): Promise<void> {
  try {
    await makeDirectory(path);
  } catch (error) {
    throw cannotWrite(path, error);
  }
}

/** Not with Node's `recursive`, which never returns in a directory that accepts no entries, such as /proc. */
async function makeDirectory(path: string): Promise<void> {
  if (await isMade(path)) return;
  await makeDirectory(dirname(path));
  await mkdir(path, { mode: DIRECTORY_MODE });
}

/** Whether the directory exists afterwards; false when its parent is missing. */
async function isMade(path: string): Promise<boolean> {
  try {
    await mkdir(path, { mode: DIRECTORY_MODE });
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && dirname(path) !== path) return false;
    if (code === 'EEXIST' && (await stat(path)).isDirectory()) return true;
    throw error;
  }
}

/** Writes or replaces `name` in `directory`, and returns its path. @throws OspatchError `Usage` */
export async function writePrivateFile(directory: string, name: string, text: string): Promise<string> {
  if (!SAFE_NAME.test(name)) {
    throw new OspatchError({
      type: 'Usage',
      message: `${JSON.stringify(name.slice(0, 200))} cannot be the name of a file`,
      remedy: 'somebody started a workflow under this name by hand; see it in the Temporal UI',
    });
  }
  const path = join(directory, name);
  const temporary = join(directory, `.${name}.${randomUUID()}.tmp`);
  try {
    const file = await open(temporary, 'wx', FILE_MODE);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    return path;
  } catch (error) {
    await rm(temporary, { force: true });
    throw cannotWrite(path, error);
  }
}

function cannotWrite(path: string, cause: unknown): OspatchError {
  const code = codeOf(cause) ?? 'unknown reason';
  return new OspatchError(
    {
      type: 'Usage',
      message: `${path} cannot be written (${code})`,
      remedy: 'name a directory that you may write to',
    },
    { cause },
  );
}
