/** A Python with the Temporal SDK, for the test of clients in another language. For tests only. */
import { existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';

import type { Log } from '../src/dev/host';
import { cacheDir, mustRun, timed, which } from '../src/dev/host';
import { withLock } from '../src/dev/owner-lock';

const PACKAGE = 'temporalio==1.35.0';

/** Versions and digests of the package and all that it needs. */
const REQUIREMENTS = path.join(__dirname, 'python-requirements.txt');

function venv(): string {
  return path.join(cacheDir(), `python-${PACKAGE.replace('==', '-')}`);
}

/** The Python of the cache; undefined: there is none. */
export function cachedPython(): string | undefined {
  const python = path.join(venv(), 'bin/python3');
  return existsSync(python) ? python : undefined;
}

/** The Python in the cache, else a new one. Throws one sentence that says what to install when it cannot be had. */
export async function findPythonSdk(log: Log): Promise<string> {
  const cached = cachedPython();
  if (cached !== undefined) return cached;
  if (which('python3') === undefined) throw new Error('Python is missing: install python3 with venv and pip');
  const onWait = () => log('waiting for another process that gets the Temporal SDK of Python ...');
  return withLock(`${venv()}.lock`, onWait, async () => {
    if (!existsSync(venv()))
      await timed(log, 'Getting the Temporal SDK of Python with pip', '20 s, only once', install);
    return path.join(venv(), 'bin/python3');
  });
}

async function install(): Promise<void> {
  const dir = mkdtempSync(`${venv()}.new-`);
  try {
    await mustRun('python3', ['-m', 'venv', dir]);
    await mustRun(path.join(dir, 'bin/python3'), [
      ...['-m', 'pip', 'install', '--quiet', '--require-hashes', '--only-binary=:all:', '--no-deps'],
      ...['-r', REQUIREMENTS],
    ]);
    // Only what pip has written holds the path of the directory, and only Python itself is called.
    renameSync(dir, venv());
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
