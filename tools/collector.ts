/** A collector of OpenTelemetry, built with Go from its own modules. For tests only. */
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import type { Log } from '../src/dev/host';
import { cacheDir, mustRun, timed, which } from '../src/dev/host';
import { withLock } from '../src/dev/owner-lock';

const SOURCE_DIR = path.join(__dirname, 'collector');
const FILES = ['go.mod', 'go.sum', 'main.go'];
const BUILD_LIMIT_MS = 900_000;

/** The configuration that lets it listen at `address` for OTLP over HTTP, and print each batch as a line of JSON. */
export function collectorConfig(address: string): object {
  return {
    receivers: { otlp: { protocols: { http: { endpoint: address } } } },
    exporters: { print: {} },
    service: {
      telemetry: { metrics: { level: 'none' } },
      pipelines: { traces: { receivers: ['otlp'], exporters: ['print'] } },
    },
  };
}

function target(): string {
  const hash = createHash('sha256');
  for (const name of FILES) hash.update(readFileSync(path.join(SOURCE_DIR, name)));
  return path.join(cacheDir('bin'), `otel-collector-${hash.digest('hex').slice(0, 12)}`);
}

/** The program of the cache; undefined: it is not there. */
export function cachedCollector(): string | undefined {
  const program = target();
  return existsSync(program) ? program : undefined;
}

/** The program of the cache, else built with Go. Throws one sentence that says what to install without Go. */
export async function findCollector(log: Log): Promise<string> {
  const program = target();
  const onWait = (): void => log('waiting for another process that builds the collector of OpenTelemetry ...');
  return withLock(path.join(cacheDir('bin'), 'otel-collector.lock'), onWait, async () => {
    if (existsSync(program)) return program;
    if (which('go') === undefined) throw new Error('Go is missing: install Go 1.25 or newer');
    await timed(log, 'Building the collector of OpenTelemetry', '2 min', () => build(program));
    return program;
  });
}

async function build(program: string): Promise<void> {
  const dir = mkdtempSync(`${program}.build-`);
  // What the user has set for other modules does not count here.
  const env = { ...process.env, CGO_ENABLED: '0', GOFLAGS: '', GOWORK: 'off' };
  try {
    for (const name of FILES) copyFileSync(path.join(SOURCE_DIR, name), path.join(dir, name));
    const args = ['build', '-buildvcs=false', '-ldflags=-s -w', '-o', 'built', '.'];
    await mustRun('go', args, { cwd: dir, env, timeoutMs: BUILD_LIMIT_MS });
    renameSync(path.join(dir, 'built'), program);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
