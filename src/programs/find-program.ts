/** Finds a program of the worker, and checks who could have put another one in its place. */
import { accessSync, constants, statSync } from 'node:fs';
import path from 'node:path';
import type { TrustOptions } from '../trusted-file';
import { checkTrusted } from '../trusted-file';

/**
 * The path of `command`: as given when it contains a slash, else the first executable file of that name in `PATH`; null
 * when there is none. The path is not resolved, because some programs act by the name of the link they are called by.
 *
 * @throws UntrustedFile when anybody but root and the user of the worker can replace the program
 */
export function findProgram(
  command: string,
  { searchPath, ...trust }: Omit<TrustOptions, 'secret' | 'kind'> & { searchPath: string },
): string | null {
  const found = command.includes('/') ? command : inPath(command, searchPath);
  if (found === null || !isExecutable(found)) return null;
  checkTrusted(found, { ...trust, secret: false });
  return found;
}

/** Relative directories in `PATH` are left out, since programs do not run in the directory of the worker. */
function inPath(command: string, searchPath: string): string | null {
  const places = searchPath.split(':').filter((directory) => path.isAbsolute(directory));
  return places.map((directory) => path.join(directory, command)).find(isExecutable) ?? null;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
