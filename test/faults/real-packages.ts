/** Real packages of the archive as pending updates: their own maintainer scripts, under a raised version. */
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { mustRun } from '../../src/dev/host';
import type { LabNode } from '../support/local-stack';
import { REPOSITORY_DIR, indexRepository } from '../support/local-stack';
import { sh } from '../support/sh';

const SUFFIX = '+lab1';

/** Publishes every installed package built from one of the source packages again; returns their names. */
export async function offerNewer(node: LabNode, sources: readonly string[]): Promise<string[]> {
  const wanted = sources.map((source) => `$1 == "${source}"`).join(' || ');
  const packages = `$(dpkg-query -W -f '\${source:Package} \${Package}\\n' | awk '${wanted} { print $2 }')`;
  await sh(
    node,
    `mkdir -p /var/lib/lab/real && cd /var/lib/lab/real && { apt-get -qq download ${packages} || { apt-get -qq update && apt-get -qq download ${packages}; }; }`,
  );
  const dir = path.join(node.rootDir, 'var/lib/lab/real');
  const debs = readdirSync(dir).filter((name) => name.endsWith('.deb'));
  const repository = path.join(node.rootDir, REPOSITORY_DIR);
  for (const deb of debs) await raiseVersion(path.join(dir, deb), repository);
  await indexRepository(repository);
  rmSync(dir, { recursive: true });
  return debs.map((name) => name.split('_')[0] ?? '').sort();
}

/** Relations to exactly this version are raised too, since they name packages of the same source. */
async function raiseVersion(deb: string, target: string): Promise<void> {
  const tree = mkdtempSync(path.join(tmpdir(), 'ospatch-deb-'));
  try {
    await mustRun('dpkg-deb', ['-R', deb, tree]);
    const file = path.join(tree, 'DEBIAN/control');
    const control = readFileSync(file, 'utf8');
    const version = /^Version: (.*)$/m.exec(control)?.[1] ?? '';
    const raised = control.replace(/^Version: .*$/m, `Version: ${version}${SUFFIX}`);
    writeFileSync(file, raised.replaceAll(`(= ${version})`, `(= ${version}${SUFFIX})`));
    await mustRun('dpkg-deb', ['-Zgzip', '-z1', '-b', tree, path.join(target, path.basename(deb))]);
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}
