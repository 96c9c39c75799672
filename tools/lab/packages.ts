/** Packages the lab makes itself: they reach a node through a small local repository, like any vendor's. */
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { mustRun } from '../../src/dev/host';

/** Where the repository lies on a node. */
export const REPOSITORY_DIR = '/var/lib/lab/repository';

export interface LabPackage {
  name: string;
  version: string;
  /** Shell run before the package is unpacked, as its preinst. */
  preinst?: string;
  /** Shell run after the package was unpacked, as its postinst. */
  postinst?: string;
  /** Files of the package by absolute path. Those under /etc are configuration files, those in /usr/bin programs. */
  files?: Record<string, string | Buffer>;
  /** Further fields of its control file, e.g. `Depends`. */
  fields?: Record<string, string>;
  /** Triggers of dpkg, e.g. `activate-noawait ldconfig`. */
  triggers?: string;
  /** Of xz, 0 to 9; default: that of dpkg-deb. A low one builds large packages quickly. */
  compression?: number;
}

/** A package whose update asks for a reboot, as a kernel or libc update does on Ubuntu. */
export function rebootPackage(version: string): LabPackage {
  const postinst = [
    'if [ "$1" = configure ] && [ -n "$2" ]; then',
    '  echo "*** System restart required ***" >/run/reboot-required',
    '  echo lab-reboot >>/run/reboot-required.pkgs',
    'fi',
  ];
  return { name: 'lab-reboot', version, postinst: postinst.join('\n') };
}

/** A package whose update takes `seconds`, so that something can happen in the middle of a transaction. */
export function slowPackage(version: string, seconds: number): LabPackage {
  return { name: 'lab-slow', version, postinst: `[ "$1" != configure ] || [ -z "$2" ] || sleep ${seconds}` };
}

/** Builds the .deb into `dir` and returns its file name. */
export async function buildDeb(dir: string, pkg: LabPackage): Promise<string> {
  const tree = mkdtempSync(path.join(tmpdir(), 'ospatch-deb-'));
  try {
    chmodSync(tree, 0o755);
    for (const [name, content] of Object.entries(pkg.files ?? {})) write(path.join(tree, name), content, modeOf(name));
    const control = path.join(tree, 'DEBIAN');
    const configFiles = Object.keys(pkg.files ?? {}).filter((name) => name.startsWith('/etc/'));
    if (configFiles.length > 0) write(path.join(control, 'conffiles'), configFiles.join('\n') + '\n', 0o644);
    write(path.join(control, 'control'), controlFile(pkg), 0o644);
    for (const script of ['preinst', 'postinst'] as const) {
      const text = pkg[script];
      if (text !== undefined) write(path.join(control, script), `#!/bin/sh\nset -e\n${text}\n`, 0o755);
    }
    if (pkg.triggers !== undefined) write(path.join(control, 'triggers'), `${pkg.triggers}\n`, 0o644);
    const file = `${pkg.name}_${pkg.version}_all.deb`;
    const level = pkg.compression === undefined ? [] : ['-Zxz', `-z${pkg.compression}`];
    await mustRun('dpkg-deb', ['--root-owner-group', ...level, '-b', tree, path.join(dir, file)]);
    return file;
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}

/**
 * Makes an older version of a real package: same content, lower version. For base-files the
 * point release in it goes back by one too, so that the Patched Version moves with the real update.
 */
export async function repackOlder(deb: string, dir: string): Promise<string> {
  const tree = mkdtempSync(path.join(tmpdir(), 'ospatch-deb-'));
  try {
    await mustRun('dpkg-deb', ['-R', deb, tree]);
    chmodSync(tree, 0o755);
    const controlPath = path.join(tree, 'DEBIAN', 'control');
    const control = readFileSync(controlPath, 'utf8').replace(/^Version: (.*)$/m, 'Version: $1~lab1');
    writeFileSync(controlPath, control);
    if (/^Package: base-files$/m.test(control)) stepBackPointRelease(path.join(tree, 'etc/debian_version'));
    const out = path.join(dir, `${path.basename(deb, '.deb')}~lab1.deb`);
    await mustRun('dpkg-deb', ['-b', tree, out]);
    return out;
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}

function stepBackPointRelease(file: string): void {
  const [major, point] = readFileSync(file, 'utf8').trim().split('.');
  writeFileSync(file, `${major}.${Math.max(0, Number(point ?? 1) - 1)}\n`);
}

const LAB_RELEASE = ['Origin: ospatch lab', 'Label: ospatch lab', 'Suite: lab'];

/**
 * Writes the index of the flat repository in `dir`, replacing what was there. `about` is what the repository says of
 * itself in its Release file.
 */
export async function indexRepository(dir: string, about: readonly string[] = LAB_RELEASE): Promise<void> {
  const entries: string[] = [];
  for (const file of readdirSync(dir).filter((name) => name.endsWith('.deb'))) {
    const content = readFileSync(path.join(dir, file));
    const control = (await mustRun('dpkg-deb', ['-f', path.join(dir, file)])).trim();
    entries.push(`${control}\nFilename: ./${file}\nSize: ${content.length}\nSHA256: ${sha256(content)}\n`);
  }
  const packages = entries.join('\n');
  const size = Buffer.byteLength(packages);
  const release = [
    ...about,
    `Date: ${new Date().toUTCString().replace('GMT', 'UTC')}`,
    'SHA256:',
    ` ${sha256(Buffer.from(packages))} ${size} Packages`,
    '',
  ];
  writeFileSync(path.join(dir, 'Packages'), packages);
  writeFileSync(path.join(dir, 'Release'), release.join('\n'));
}

function controlFile(pkg: LabPackage): string {
  return [
    `Package: ${pkg.name}`,
    `Version: ${pkg.version}`,
    'Architecture: all',
    'Maintainer: ospatch lab <lab@localhost>',
    'Section: admin',
    'Priority: optional',
    ...Object.entries(pkg.fields ?? {}).map(([name, value]) => `${name}: ${value}`),
    'Description: part of the ospatch node lab',
    '',
  ].join('\n');
}

/** Of a file of a package. */
export function modeOf(name: string): number {
  return name.startsWith('/usr/bin/') ? 0o755 : 0o644;
}

function write(file: string, content: string | Buffer, mode: number): void {
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o755 });
  writeFileSync(file, content, { mode });
  chmodSync(file, mode);
}

function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}
