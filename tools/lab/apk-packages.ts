/** The lab's own packages for Alpine, made by the node's own apk-tools 3, run from outside with the node's own musl. */
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { mustRun } from '../../src/dev/host';
import type { LabPackage } from './packages';
import { modeOf } from './packages';

/** Signs the lab's packages and indexes; the public half is among the keys of every Alpine node. */
export const LAB_KEY = '/var/lib/lab/lab.rsa';

const ARCH = 'x86_64';

/** What the index says it is of, as Alpine's own do: a release, commits since, and the last of them. */
export const LAB_INDEX = 'v3.23.6-1-g0123456789a';

/** Builds the .apk into `repository` and returns its path there. */
export async function buildApk(rootDir: string, repository: string, pkg: LabPackage): Promise<string> {
  const tree = mkdtempSync(path.join(tmpdir(), 'ospatch-apk-'));
  try {
    const files = path.join(tree, 'files');
    mkdirSync(files);
    chmodSync(files, 0o755);
    for (const [name, content] of Object.entries(pkg.files ?? {})) write(path.join(files, name), content, modeOf(name));
    const info = {
      name: pkg.name,
      version: pkg.version,
      arch: ARCH,
      description: 'part of the ospatch node lab',
      license: 'none',
      ...pkg.fields,
    };
    const args = Object.entries(info).flatMap(([key, value]) => ['--info', `${key.toLowerCase()}:${value}`]);
    for (const [when, text] of [
      ['pre', pkg.preinst],
      ['post', pkg.postinst],
    ] as const) {
      if (text === undefined) continue;
      for (const action of ['install', 'upgrade'] as const) {
        const file = path.join(tree, `${when}-${action}`);
        write(file, scriptText(action, text), 0o755);
        args.push('--script', `${when}-${action}:${file}`);
      }
    }
    const dir = path.join(repository, ARCH);
    mkdirSync(dir, { recursive: true });
    const output = path.join(dir, `${pkg.name}-${pkg.version}.apk`);
    await apkTool(rootDir, ['mkpkg', ...args, '--files', files, '--output', output]);
    return output;
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}

/** Writes the index of `repository`, replacing what was there. `about` is the description the index carries. */
export async function indexApkRepository(rootDir: string, repository: string, about = LAB_INDEX): Promise<void> {
  const dir = path.join(repository, ARCH);
  mkdirSync(dir, { recursive: true });
  const packages = readdirSync(dir)
    .filter((name) => name.endsWith('.apk'))
    .map((name) => path.join(dir, name));
  await apkTool(rootDir, ['mkndx', '--description', about, '--output', path.join(dir, 'Packages.adb'), ...packages]);
}

/** The scripts of the lab are written for dpkg: `configure` and the version from before, which an installation lacks. */
function scriptText(action: 'install' | 'upgrade', text: string): string {
  const old = action === 'upgrade' ? '"${2-}"' : "''";
  return `#!/bin/sh\nset -e\nset -- configure ${old}\n${text}\n`;
}

async function apkTool(rootDir: string, args: string[]): Promise<void> {
  const at = (file: string): string => path.join(rootDir, file);
  const loader = [at('lib/ld-musl-x86_64.so.1'), '--library-path', `${at('lib')}:${at('usr/lib')}`];
  await mustRun(loader[0] ?? '', [
    ...loader.slice(1),
    at('sbin/apk'),
    ...['--keys-dir', at('etc/apk/keys'), '--sign-key', at(LAB_KEY)],
    ...args,
  ]);
}

function write(file: string, content: string | Buffer, mode: number): void {
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o755 });
  writeFileSync(file, content, { mode });
  chmodSync(file, mode);
}
