/** Ownership of files and directories by a process: locks, and markers that identify leftovers of dead processes. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { processStartTime, which } from './host';

/** Identifies this process uniquely. */
export function thisOwner(): string {
  return `${process.pid} ${processStartTime(process.pid) ?? ''}`;
}

/** Whether the process identified by {@link thisOwner} is alive. */
export function isLiveOwner(owner: string): boolean {
  const [pid, startTime] = owner.trim().split(' ');
  return startTime !== undefined && processStartTime(Number(pid)) === startTime;
}

/** Marks `dir` as owned by this process. */
export function markOwner(dir: string): void {
  writeFileSync(path.join(dir, 'owner'), `${thisOwner()}\n`);
}

/** Whether the owner of `dir` is alive. A directory without a marker has no owner. */
export function hasLiveOwner(dir: string): boolean {
  try {
    return isLiveOwner(readFileSync(path.join(dir, 'owner'), 'utf8'));
  } catch {
    return false;
  }
}

/**
 * Runs `work` while holding the lock `file`, which the kernel releases however this process ends. `onWait` is called
 * once when another process holds the lock. Without flock(1) (not Linux) `work` runs unlocked.
 */
export async function withLock<T>(file: string, onWait: () => void, work: () => Promise<T>): Promise<T> {
  if (which('flock') === undefined) return work();
  const holder = spawn('flock', [file, 'sh', '-c', 'echo locked; cat'], { stdio: ['pipe', 'pipe', 'ignore'] });
  const waiting = setTimeout(onWait, 500);
  try {
    const ended = once(holder, 'exit');
    const locked = await Promise.race([once(holder.stdout, 'data').then(() => true), ended.then(() => false)]);
    if (!locked) throw new Error(`cannot lock ${file}`);
    clearTimeout(waiting);
    return await work();
  } finally {
    clearTimeout(waiting);
    holder.stdin.end();
    holder.unref();
  }
}
