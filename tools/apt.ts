/** Installs Debian packages on this machine, or unpacks them into the cache, for tests and the lab. */
import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';

import type { Log } from '../src/dev/host';
import { cacheDir, mustRun, timed, which } from '../src/dev/host';
import { withLock } from '../src/dev/owner-lock';

/** Several parts are prepared concurrently, and apt-get does not wait for another apt-get by itself. */
const WAIT_FOR_LOCK = ['-o', 'DPkg::Lock::Timeout=120'];

/**
 * Installs packages with apt-get and logs that. Needs root.
 * @param what their purpose, e.g. `the node lab`
 * @param usually the typical duration, e.g. `20 s`
 */
export async function aptInstall(log: Log, packages: readonly string[], what: string, usually: string): Promise<void> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const list = packages.join(' ');
  const onWait = (): void => log(`Waiting for another apt-get of ours before installing ${list}.`);
  await withLock(path.join(cacheDir('apt'), 'lock'), onWait, () =>
    timed(log, `Installing ${list} with apt-get, for ${what}`, usually, async () => {
      await mustRun('apt-get', ['-qq', ...WAIT_FOR_LOCK, 'update'], { env });
      await mustRun('apt-get', ['-qq', '-y', ...WAIT_FOR_LOCK, '--no-install-recommends', 'install', ...packages], {
        env,
      });
    }),
  );
}

/**
 * The directory that holds the unpacked files of a Debian package in the cache, downloaded if they are not there. Nothing is
 * installed: no user is created, no service started, and root is not needed.
 */
export async function unpackedPackage(log: Log, name: string): Promise<string> {
  const target = cacheDir(`debian-${name}`);
  const files = path.join(target, 'files');
  const onWait = (): void => log(`waiting for another process that downloads the Debian package ${name} ...`);
  return withLock(path.join(target, 'lock'), onWait, async () => {
    if (existsSync(files)) return files;
    if (which('apt-get') === undefined || which('dpkg-deb') === undefined) {
      throw new Error(`apt-get and dpkg are missing, which get the Debian package ${name}`);
    }
    const work = mkdtempSync(path.join(target, 'download-'));
    try {
      await timed(log, `Downloading the Debian package ${name}`, '5 s', async () => {
        const download = (): Promise<string> => mustRun('apt-get', ['-qq', 'download', name], { cwd: work });
        await download().catch(async () => {
          // A new machine has no package lists, an old one those of packages that are gone.
          await mustRun('apt-get', ['-qq', ...WAIT_FOR_LOCK, 'update']);
          await download();
        });
        const archive = readdirSync(work).find((file) => file.endsWith('.deb'));
        if (archive === undefined) throw new Error(`apt-get has downloaded no package ${name}`);
        await mustRun('dpkg-deb', ['--extract', archive, 'files'], { cwd: work });
        renameSync(path.join(work, 'files'), files);
      });
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
    return files;
  });
}
