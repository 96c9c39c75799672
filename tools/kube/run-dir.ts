/** The directory of one control plane: its database, certificate, logs and kubeconfigs. */
import { mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';

import { cacheDir } from '../../src/dev/host';
import { hasLiveOwner, markOwner } from '../../src/dev/owner-lock';

/** Makes a new one, and removes those of processes that died. */
export function newRunDir(): string {
  const runs = cacheDir('kube', 'runs');
  for (const name of readdirSync(runs)) {
    const dir = path.join(runs, name);
    if (!hasLiveOwner(dir)) rmSync(dir, { recursive: true, force: true });
  }
  // Another process that starts at this moment must never see it without its owner.
  const unnamed = mkdtempSync(path.join(cacheDir('kube'), 'new-run-'));
  markOwner(unnamed);
  const dir = path.join(runs, path.basename(unnamed));
  renameSync(unnamed, dir);
  return dir;
}
