/** Builds the program that is every part of the test control plane, once, from the sources in `parts/`. */
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import type { Log } from '../../src/dev/host';
import { cacheDir, mustRun, timed, which } from '../../src/dev/host';
import { withLock } from '../../src/dev/owner-lock';

const SOURCE_DIR = path.join(__dirname, 'parts');
const SOURCES = ['go.mod', 'go.sum', 'kwok.go', 'main.go'];

const KWOK = 'sigs.k8s.io/kwok';
const BLUEPRINT = 'kubernetes.io/initial-events-list-blueprint';

/** Variables of Kubernetes that its own build sets; without, its API server says that it is version 0.0.0. */
const VERSION = 'k8s.io/component-base/version';

/**
 * Path of the program, whose first argument is the part to be: etcd, kube-apiserver, kube-controller-manager,
 * kube-scheduler, kwok or kubectl (which drains and cordons only). From the cache, else built with Go. Throws one
 * sentence that says what to install without Go.
 */
export async function findControlPlaneProgram(log: Log): Promise<string> {
  const target = path.join(cacheDir('bin'), `kube-parts-${sourceDigest()}`);
  if (existsSync(target)) return target;
  const onWait = () => log('waiting for another process that builds the Kubernetes control plane ...');
  return withLock(path.join(cacheDir('bin'), 'kube-parts.lock'), onWait, async () => {
    if (existsSync(target)) return target;
    if (which('go') === undefined) {
      throw new Error('The tests with a real Kubernetes control plane build it from source: install Go 1.24 or newer.');
    }
    const what = 'Building etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kwok';
    await timed(log, what, '8 min on 2 processors, only once', () => build(target));
    return target;
  });
}

async function build(target: string): Promise<void> {
  const dir = mkdtempSync(`${target}.build-`);
  // What the user has set for other modules does not count here.
  const env = { ...process.env, CGO_ENABLED: '0', GOFLAGS: '', GOWORK: 'off' };
  const go = (...args: string[]) => mustRun('go', args, { cwd: dir, env });
  try {
    for (const name of SOURCES) copyFileSync(path.join(SOURCE_DIR, name), path.join(dir, name));
    const { Dir: original } = JSON.parse(await go('mod', 'download', '-json', KWOK)) as { Dir: string };
    await adaptKwok(original, path.join(dir, 'kwok'));
    await go('mod', 'edit', '-replace', `${KWOK}=./kwok`);
    const built = path.join(dir, 'kube-parts');
    await go('build', '-buildvcs=false', `-ldflags=${linkerFlags()}`, '-o', built, '.');
    renameSync(built, target);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Its one use of a constant that Kubernetes 1.34 no longer has is replaced; so it needs no Kubernetes of its own. */
async function adaptKwok(original: string, copy: string): Promise<void> {
  await mustRun('cp', ['-R', original, copy]);
  // The module cache is read-only, and so is a copy of it.
  await mustRun('chmod', ['-R', 'u+w', copy]);
  const file = path.join(copy, 'pkg/utils/informer/informer.go');
  const text = readFileSync(file, 'utf8');
  writeFileSync(file, text.replaceAll('metav1.InitialEventsListBlueprintAnnotationKey', `"${BLUEPRINT}"`));
}

/** Nobody debugs it. Compiling without what a debugger reads would save 2 % only. */
function linkerFlags(): string {
  const modules = readFileSync(path.join(SOURCE_DIR, 'go.mod'), 'utf8');
  const [, version = '', major = '', minor = ''] = /^\tk8s\.io\/kubernetes (v(\d+)\.(\d+)\.\d+)$/m.exec(modules) ?? [];
  if (version === '') throw new Error('go.mod of the control plane names no version of k8s.io/kubernetes');
  const values = { gitVersion: version, gitMajor: major, gitMinor: minor };
  const set = Object.entries(values).map(([name, value]) => `-X ${VERSION}.${name}=${value}`);
  return ['-s -w', ...set].join(' ');
}

function sourceDigest(): string {
  const hash = createHash('sha256').update(linkerFlags());
  for (const name of SOURCES) hash.update(readFileSync(path.join(SOURCE_DIR, name)));
  return hash.digest('hex').slice(0, 12);
}
