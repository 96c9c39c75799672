/** Puts a new content in the place of a file of the user, so that a reader sees the old or the new one, never a part. */
import { randomUUID } from 'node:crypto';
import { chown, open, realpath, rename, rm, stat } from 'node:fs/promises';

const NEW_FILE_MODE = 0o644;

/**
 * Replaces or creates the file. A symbolic link is preserved, and so are mode and owner of a file that exists; a new one gets
 * `mode` whatever the umask.
 */
export async function replaceFile(path: string, text: string, mode = NEW_FILE_MODE): Promise<void> {
  const target = await realpath(path).catch(() => path);
  const temporary = `${target}.${randomUUID()}.tmp`;
  try {
    const before = await stat(target).catch(() => null);
    const file = await open(temporary, 'wx', mode & 0o600);
    try {
      await file.writeFile(text);
      // The umask may have removed permissions that readers need.
      await file.chmod((before?.mode ?? mode) & 0o777);
      await file.sync();
    } finally {
      await file.close();
    }
    if (before !== null) await keepOwner(temporary, before);
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Root edits files of others. */
async function keepOwner(path: string, { uid, gid }: { uid: number; gid: number }): Promise<void> {
  if (process.geteuid?.() === 0) await chown(path, uid, gid);
}
