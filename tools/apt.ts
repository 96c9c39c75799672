/** Installs Debian packages on this machine, for tests and the lab. */
import path from 'node:path';

import type { Log } from '../src/dev/host';
import { cacheDir, mustRun, timed } from '../src/dev/host';
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
