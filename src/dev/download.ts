/** Downloads programs of Temporal from its releases: pinned versions, whose archives have known digests. */
import { createHash } from 'node:crypto';
import { chmodSync, copyFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { mustRun } from './host';

/** Offline machines must fail quickly; the archives are about 60 MB. */
const ANSWER_TIMEOUT_MS = 5_000;
const DOWNLOAD_TIMEOUT_MS = 300_000;
const MAX_BYTES = 400 * 1024 * 1024;

/** An archive of a release, and the program in it. */
export interface PinnedArchive {
  url: string;
  /** SHA-256 of the archive in hexadecimal digits. */
  sha256: string;
  /** Path of the program in the archive. */
  file: string;
}

/** `os_arch` as in the names of the archives, e.g. `linux_amd64`. */
export function releasePlatform(): string {
  return `${process.platform}_${process.arch === 'x64' ? 'amd64' : process.arch}`;
}

/**
 * Downloads a program to `target`, which is renamed into place when complete. Nothing of an archive with another digest
 * is unpacked. Throws when offline.
 */
export async function downloadBinary(archive: PinnedArchive, target: string): Promise<void> {
  const content = await get(archive.url);
  const found = createHash('sha256').update(content).digest('hex');
  if (found !== archive.sha256) {
    throw new Error(`${archive.url} has the SHA-256 ${found} instead of ${archive.sha256}, and is not used`);
  }
  const dir = mkdtempSync(`${target}.tmp-`);
  try {
    const file = path.join(dir, 'archive.tar.gz');
    writeFileSync(file, content);
    await mustRun('tar', ['-xzf', file, '-C', dir, '--no-same-owner']);
    const binary = path.join(dir, 'binary');
    copyFileSync(path.join(dir, archive.file), binary);
    chmodSync(binary, 0o755);
    renameSync(binary, target);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function get(url: string): Promise<Buffer> {
  const stop = new AbortController();
  const late = setTimeout(() => stop.abort(new Error('the server does not answer')), ANSWER_TIMEOUT_MS);
  const answer = await fetch(url, { signal: stop.signal }).finally(() => clearTimeout(late));
  const tooLong = setTimeout(() => stop.abort(new Error('the download takes too long')), DOWNLOAD_TIMEOUT_MS);
  try {
    if (!answer.ok || answer.body === null) throw new Error(`the download ended with status ${answer.status}`);
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of answer.body as unknown as AsyncIterable<Uint8Array>) {
      size += chunk.length;
      if (size > MAX_BYTES) throw new Error('the download is larger than every release');
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  } finally {
    clearTimeout(tooLong);
    stop.abort();
  }
}
