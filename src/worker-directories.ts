/**
 * Where a worker looks for keys, kubeconfigs and secrets unless it is told otherwise: in directories of its own, never in those of a
 * person, because whoever may ask the worker may use all that it finds there. As of other services: in /etc as root, else in
 * the configuration of the user.
 */
import { mkdirSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { codeOf } from './domain/shared/error-code';

export type WorkerDirectory = 'keys' | 'kubeconfigs' | 'secrets' | 'notify.d' | 'notifications.yaml';

/** For help texts. */
export const DIRECTORY_RULE = '~/.config/ospatch, as root /etc/ospatch';

export function defaultDirectory(
  kind: WorkerDirectory,
  env: NodeJS.ProcessEnv,
  isRoot = process.geteuid?.() === 0,
): string {
  if (isRoot) return join('/etc/ospatch', kind);
  const given = env['XDG_CONFIG_HOME'] ?? '';
  // The XDG specification: relative paths are ignored.
  return join(isAbsolute(given) ? given : join(homedir(), '.config'), 'ospatch', kind);
}

/** Creates a directory that only its owner may read. Returns why it cannot, or null. */
export function createPrivateDirectory(directory: string): string | null {
  try {
    create(directory);
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** `recursive` of Node.js never returns where a file system answers ENOENT below a directory that exists, such as /proc. */
function create(directory: string): void {
  try {
    createOne(directory);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' || dirname(directory) === directory) throw error;
    create(dirname(directory));
    createOne(directory);
  }
}

function createOne(directory: string): void {
  try {
    mkdirSync(directory, { mode: 0o700 });
  } catch (error) {
    // Another worker may start at the same time.
    if (codeOf(error) !== 'EEXIST' || !statSync(directory).isDirectory()) throw error;
  }
}
