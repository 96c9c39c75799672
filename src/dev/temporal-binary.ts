/** Finds or installs the `temporal` command line tool, which contains the development server. */
import { existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';

import { downloadBinary } from './download';
import type { Log } from './host';
import { cacheDir, mustRun, timed, which } from './host';
import { withLock } from './owner-lock';

/** The last version that `go install` accepts: later ones have a replace directive in go.mod. */
const GO_PACKAGE = 'github.com/temporalio/cli/cmd/temporal@v1.5.1';

/**
 * Path of a `temporal` binary: from PATH, else from the cache, else downloaded, else built from source with Go. Throws
 * one sentence with what to install when none of these works.
 */
export async function findTemporal(log: Log): Promise<string> {
  const onPath = which('temporal');
  if (onPath !== undefined) return onPath;
  const cached = path.join(cacheDir('bin'), 'temporal');
  if (existsSync(cached)) return cached;
  const onWait = () => log('waiting for another process that gets the Temporal server ...');
  return withLock(path.join(cacheDir('bin'), 'temporal.lock'), onWait, async () => {
    if (existsSync(cached)) return cached;
    const why = await download(cached, log);
    if (why === undefined) return cached;
    if (which('go') === undefined) {
      throw new Error(
        `No Temporal server: it cannot be downloaded (${why}) and there is no Go to build it. ` +
          'Install the temporal command line tool; for a server that runs elsewhere, `ospatch worker --address` is enough.',
      );
    }
    log(`The Temporal server cannot be downloaded here (${why}), so it is built from source.`);
    await timed(log, 'Building the Temporal server with go install', '150 s, only once', () => build(cached));
    return cached;
  });
}

async function download(target: string, log: Log): Promise<string | undefined> {
  try {
    log('Downloading the Temporal server (only once) ...');
    await downloadBinary('cli', target);
    return undefined;
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    return cause instanceof Error ? cause.message : String(cause);
  }
}

async function build(target: string): Promise<void> {
  const dir = mkdtempSync(`${target}.build-`);
  try {
    await mustRun('go', ['install', GO_PACKAGE], { env: { ...process.env, GOBIN: dir, CGO_ENABLED: '0' } });
    renameSync(path.join(dir, 'temporal'), target);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
