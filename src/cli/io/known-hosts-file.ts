import { readFile, stat } from 'node:fs/promises';
import { OspatchError } from '../../domain/shared/errors';
import { codeOf } from '../../domain/shared/error-code';
import { replaceFile } from './replace-file';

/** Content of a known_hosts file; empty when it does not exist. */
export async function readKnownHostsFile(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return '';
    throw cannot('read', path, error);
  }
}

/** Appends lines to a known_hosts file atomically: a reader sees all lines or none. */
export async function appendKnownHosts(path: string, lines: readonly string[]): Promise<void> {
  const before = await readKnownHostsFile(path);
  const text = `${before}${before === '' || before.endsWith('\n') ? '' : '\n'}${lines.join('\n')}\n`;
  await writeKnownHostsFile(path, text);
}

/**
 * Replaces the content; what was there before is kept in FILE.old, as ssh-keygen does. `saved`: files of which that is done
 * already.
 *
 * @throws OspatchError `Usage`
 */
export async function replaceKeepingOld(path: string, text: string, saved: Set<string>): Promise<void> {
  if (!saved.has(path))
    await writeKnownHostsFile(`${path}.old`, await readKnownHostsFile(path), (await stat(path)).mode);
  saved.add(path);
  await writeKnownHostsFile(path, text);
}

/** @throws OspatchError `Usage` */
async function writeKnownHostsFile(path: string, text: string, mode?: number): Promise<void> {
  try {
    await replaceFile(path, text, mode);
  } catch (error) {
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
