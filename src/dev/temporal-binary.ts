/** Finds or installs the `temporal` command line tool, which contains the development server. */
import { existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';

import { checkTrusted } from '../trusted-file';
import type { PinnedArchive } from './download';
import { downloadBinary, releasePlatform } from './download';
import type { Log } from './host';
import { cacheDir, mustRun, timed, which } from './host';
import { withLock } from './owner-lock';

/** The last version that `go install` accepts: later ones have a replace directive in go.mod. */
const VERSION = '1.5.1';
const GO_PACKAGE = `github.com/temporalio/cli/cmd/temporal@v${VERSION}`;

/** SHA-256 of the archives of this version at github.com/temporalio/cli, as in the checksums of the release. */
const ARCHIVES: Readonly<Record<string, string>> = {
  linux_amd64: 'ddc95e08b0b076efd4ea9733a3f488eb7d2be875f8834e616cd2a37358b4852d',
  linux_arm64: 'bd1b0db9f18b051026de8bf6cc1505f2510f14bbb7a8b9a4a91fff46c77454f5',
  darwin_amd64: 'bbb73e2a31135abe50a1f1cdb35030c42961df618e8ce9c60ae89f201540c5d9',
  darwin_arm64: 'cca01b7ea35ad56e2a328d9ae596bf716bd22313ef63c7a761c88354457c2415',
};

/** The checksum database of Go applies to all modules, whatever the user has set for those of his own. */
const VERIFIED_MODULES = {
  GOSUMDB: 'sum.golang.org',
  ...{ GONOSUMDB: 'none.invalid', GOPRIVATE: 'none.invalid', GOINSECURE: 'none.invalid' },
  GOFLAGS: '',
};

/**
 * Path of a `temporal` binary: from PATH, else from the cache, else downloaded, else built from source with Go. Throws
 * one sentence with what to install when none of these works.
 */
export async function findTemporal(log: Log): Promise<string> {
  const onPath = which('temporal');
  if (onPath !== undefined) return onPath;
  const cached = path.join(cacheDir('bin'), 'temporal');
  if (existsSync(cached)) return trustedProgram(cached);
  const onWait = () => log('waiting for another process that gets the Temporal server ...');
  return withLock(path.join(cacheDir('bin'), 'temporal.lock'), onWait, async () => {
    if (existsSync(cached)) return trustedProgram(cached);
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

/** @throws UntrustedFile when another user of this machine can replace the program */
function trustedProgram(file: string): string {
  checkTrusted(file, { secret: false, what: 'the Temporal server in the cache (OSPATCH_CACHE)' });
  return file;
}

/** The pinned archive for a platform; undefined: the release has none that is known here. */
export function temporalArchive(platform: string): PinnedArchive | undefined {
  const sha256 = ARCHIVES[platform];
  if (sha256 === undefined) return undefined;
  const url = `https://github.com/temporalio/cli/releases/download/v${VERSION}/temporal_cli_${VERSION}_${platform}.tar.gz`;
  return { url, sha256, file: 'temporal' };
}

/** Why it could not be downloaded; undefined: it was. */
async function download(target: string, log: Log): Promise<string | undefined> {
  const archive = temporalArchive(releasePlatform());
  if (archive === undefined) return `there is no known digest for ${releasePlatform()}`;
  try {
    log(`Downloading the Temporal server ${VERSION} (only once) ...`);
    await downloadBinary(archive, target);
    return undefined;
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    return cause instanceof Error ? cause.message : String(cause);
  }
}

async function build(target: string): Promise<void> {
  const dir = mkdtempSync(`${target}.build-`);
  try {
    await mustRun('go', ['install', GO_PACKAGE], {
      env: { ...process.env, ...VERIFIED_MODULES, GOBIN: dir, CGO_ENABLED: '0' },
    });
    renameSync(path.join(dir, 'temporal'), target);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
