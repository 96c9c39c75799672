import { randomUUID } from 'node:crypto';
import { chmod, open, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { OspatchError } from '../../domain/shared/errors';
import { codeOf } from '../../domain/shared/error-code';

const NEW_FILE_MODE = 0o644;

/** Content of a known_hosts file; empty when it does not exist. */
export async function readKnownHostsFile(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return '';
    throw cannot('read', path, error);
  }
}

/**
 * Appends lines to a known_hosts file atomically: the file is replaced by a new one, so that a reader sees all lines or
 * none. A symbolic link is preserved.
 */
export async function appendKnownHosts(path: string, lines: readonly string[]): Promise<void> {
  const target = await realpath(path).catch(() => path);
  const before = await readKnownHostsFile(target);
  const text = `${before}${before === '' || before.endsWith('\n') ? '' : '\n'}${lines.join('\n')}\n`;
  const temporary = `${target}.${randomUUID()}.tmp`;
  try {
    const mode = (await stat(target).catch(() => null))?.mode ?? NEW_FILE_MODE;
    const file = await open(temporary, 'wx', NEW_FILE_MODE);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    // The umask may have removed permissions that readers need.
    await chmod(temporary, mode & 0o777);
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw cannot('write', path, error);
  }
}

function cannot(what: 'read' | 'write', path: string, cause: unknown): OspatchError {
  const done = what === 'read' ? 'read' : 'written';
  return new OspatchError(
    {
      type: 'Usage',
      message: `${path} cannot be ${done} (${codeOf(cause) ?? 'unknown reason'})`,
      remedy: `check that its directory exists and that you may ${what} the file`,
    },
    { cause },
  );
}
