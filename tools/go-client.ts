/** The program in Go of docs/messages.md, for the test of clients in another language. For tests only. */
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import type { Log } from '../src/dev/host';
import { cacheDir, mustRun, timed, which } from '../src/dev/host';
import { withLock } from '../src/dev/owner-lock';

const DOCUMENT = path.join(__dirname, '../docs/messages.md');

/** Its modules have the versions of those of the `temporal` CLI that is built with Go, which has compiled them already. */
const MODULE_DIR = path.join(__dirname, 'go-client');
const MODULE_FILES = ['go.mod', 'go.sum'];

/** A proxy of modules that does not answer holds up no other test. */
const BUILD_LIMIT_MS = 120_000;

const PREFIX = 'go-client-';

/** The task queue of the program; the document has the default one. */
export const GO_CLIENT_TASK_QUEUE = 'prod-eu';

function source(): string {
  const [, code] = /^```go\n(.*?)^```$/ms.exec(readFileSync(DOCUMENT, 'utf8')) ?? [];
  if (code === undefined) throw new Error('docs/messages.md has no program in Go');
  return code.replaceAll('TaskQueue: "ospatch"', `TaskQueue: "${GO_CLIENT_TASK_QUEUE}"`);
}

function target(): string {
  const hash = createHash('sha256').update(source());
  for (const name of MODULE_FILES) hash.update(readFileSync(path.join(MODULE_DIR, name)));
  return path.join(cacheDir('bin'), `${PREFIX}${hash.digest('hex').slice(0, 12)}`);
}

/** The program of the cache; undefined: it is not there, or is that of another text of the document. */
export function cachedGoClient(): string | undefined {
  const program = target();
  return existsSync(program) ? program : undefined;
}

/** The program of the cache, else built with Go. Throws one sentence that says what to install without Go. */
export async function findGoClient(log: Log): Promise<string> {
  const program = target();
  const onWait = () => log('waiting for another process that builds the client in Go ...');
  return withLock(path.join(cacheDir('bin'), `${PREFIX.slice(0, -1)}.lock`), onWait, async () => {
    if (existsSync(program)) return program;
    if (which('go') === undefined) throw new Error('Go is missing: install Go 1.25 or newer');
    await timed(log, 'Building the client in Go', '5 s; 30 s when no module is compiled yet', () => build(program));
    return program;
  });
}

async function build(program: string): Promise<void> {
  const dir = mkdtempSync(`${program}.build-`);
  // What the user has set for other modules does not count here.
  const env = { ...process.env, CGO_ENABLED: '0', GOFLAGS: '', GOWORK: 'off' };
  try {
    for (const name of MODULE_FILES) copyFileSync(path.join(MODULE_DIR, name), path.join(dir, name));
    writeFileSync(path.join(dir, 'main.go'), source());
    const built = path.join(dir, 'client');
    const args = ['build', '-buildvcs=false', '-ldflags=-s -w', '-o', built, '.'];
    await mustRun('go', args, { cwd: dir, env, timeoutMs: BUILD_LIMIT_MS });
    renameSync(built, program);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
