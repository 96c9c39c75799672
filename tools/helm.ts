/** Helm, which renders and checks the chart in `deploy/helm/`: built with Go, once. */
import { existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';

import type { Log } from '../src/dev/host';
import { cacheDir, mustRun, timed, which } from '../src/dev/host';
import { withLock } from '../src/dev/owner-lock';

const MODULE = 'helm.sh/helm/v3/cmd/helm';
const VERSION = 'v3.22.0';

/** A proxy of modules that does not answer holds up no other test. */
const BUILD_LIMIT_MS = 15 * 60_000;

function target(): string {
  return path.join(cacheDir('bin'), `helm-${VERSION}`);
}

/** The program of the cache; undefined: it is not there. */
export function cachedHelm(): string | undefined {
  return existsSync(target()) ? target() : undefined;
}

/** The program of the cache, else built with Go. Throws one sentence that says what to install without Go. */
export async function findHelm(log: Log): Promise<string> {
  const program = target();
  const onWait = () => log('waiting for another process that builds Helm ...');
  return withLock(path.join(cacheDir('bin'), 'helm.lock'), onWait, async () => {
    if (existsSync(program)) return program;
    if (which('go') === undefined) throw new Error('Go is missing: install Go 1.25 or newer, which builds Helm');
    await timed(log, `Building Helm ${VERSION}`, '3 min on 2 processors, only once', () => build(program));
    return program;
  });
}

async function build(program: string): Promise<void> {
  const dir = mkdtempSync(`${program}.build-`);
  // What the user has set for other modules does not count here.
  const env = { ...process.env, CGO_ENABLED: '0', GOFLAGS: '', GOWORK: 'off', GOBIN: dir };
  try {
    await mustRun('go', ['install', '-ldflags=-s -w', `${MODULE}@${VERSION}`], {
      cwd: dir,
      env,
      timeoutMs: BUILD_LIMIT_MS,
    });
    renameSync(path.join(dir, 'helm'), program);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
