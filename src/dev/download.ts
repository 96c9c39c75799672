/** Downloads binaries from Temporal's download service, which the SDK uses too. */
import { chmodSync, copyFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { mustRun } from './host';

/** Offline machines must fail quickly; the archives are about 60 MB. */
const ASK_TIMEOUT_MS = 5_000;
const DOWNLOAD_TIMEOUT_MS = 300_000;

export type Artifact = 'cli' | 'temporal-test-server';

/**
 * Downloads `artifact` for this machine to `target`, which is renamed into place when complete. Throws when offline.
 */
export async function downloadBinary(artifact: Artifact, target: string): Promise<void> {
  const arch = process.arch === 'x64' ? 'amd64' : process.arch;
  const address = `https://temporal.download/${artifact}/default?arch=${arch}&platform=${process.platform}&format=tar.gz`;
  const answer = await fetch(address, { signal: AbortSignal.timeout(ASK_TIMEOUT_MS) });
  const { archiveUrl, fileToExtract } = (await answer.json()) as { archiveUrl?: string; fileToExtract?: string };
  if (!answer.ok || archiveUrl === undefined || fileToExtract === undefined) {
    throw new Error(`the download service answered ${answer.status}`);
  }
  const dir = mkdtempSync(`${target}.tmp-`);
  try {
    const archive = await fetch(archiveUrl, { signal: AbortSignal.timeout(DOWNLOAD_TIMEOUT_MS) });
    if (!archive.ok) throw new Error(`the download ended with status ${archive.status}`);
    const file = path.join(dir, 'archive.tar.gz');
    writeFileSync(file, Buffer.from(await archive.arrayBuffer()));
    await mustRun('tar', ['-xzf', file, '-C', dir]);
    const binary = path.join(dir, 'binary');
    copyFileSync(path.join(dir, fileToExtract), binary);
    chmodSync(binary, 0o755);
    renameSync(binary, target);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
