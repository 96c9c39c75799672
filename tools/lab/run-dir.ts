/**
 * The directory of one lab run: everything that must disappear with it (mounts, containers, half-built images) lives
 * below. A small shell process outside this one, the reaper, removes it however this process ends.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, renameSync } from 'node:fs';
import path from 'node:path';

import type { Log } from '../../src/dev/host';
import { cacheDir } from '../../src/dev/host';
import { hasLiveOwner, markOwner } from '../../src/dev/owner-lock';

export const REAP_SCRIPT = path.join(__dirname, 'reap.sh');

export interface RunDir {
  /** Names the run; also the prefix of its machine names. */
  id: string;
  dir: string;
  /** Ends and removes everything of the run; calling it again waits for the same end. */
  close(): Promise<void>;
}

/** Opens the directory of a new run and removes what runs of dead processes left behind. */
export async function openRunDir(log: Log): Promise<RunDir> {
  await removeDeadRuns(log);
  const id = `lab-${randomBytes(3).toString('hex')}`;
  const dir = path.join(runsDir(), id);
  // Another lab that starts at this moment must never see it without its owner.
  const unnamed = mkdtempSync(path.join(cacheDir('lab'), 'new-run-'));
  chmodSync(unnamed, 0o755);
  markOwner(unnamed);
  renameSync(unnamed, dir);
  const reaper = startReaper(dir, 'pipe');
  reaper.unref();
  const closed = once(reaper, 'exit');
  let closing: Promise<void> | undefined;
  return {
    id,
    dir,
    close() {
      closing ??= (async () => {
        reaper.ref();
        reaper.stdin?.end();
        const [code] = await closed;
        if (code !== 0) throw new Error(`the lab left something behind in ${dir}; the next start removes it`);
      })();
      return closing;
    },
  };
}

/** True when a lab run other than `except` is alive. */
export function hasOtherRuns(except: string): boolean {
  return readdirSync(runsDir()).some((id) => id !== except && hasLiveOwner(path.join(runsDir(), id)));
}

async function removeDeadRuns(log: Log): Promise<void> {
  for (const id of readdirSync(runsDir())) {
    const dir = path.join(runsDir(), id);
    if (hasLiveOwner(dir)) continue;
    log(`removing what an earlier lab (${id}) left behind`);
    await once(startReaper(dir, 'ignore'), 'exit');
  }
}

function startReaper(dir: string, stdin: 'pipe' | 'ignore') {
  return spawn('sh', [REAP_SCRIPT, dir], { detached: true, stdio: [stdin, 'ignore', 'ignore'] });
}

function runsDir(): string {
  return cacheDir('lab', 'runs');
}
