/** TCP ports of the local stack, each given to one process at a time. */
import { readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { cacheDir } from './host';
import { isLiveOwner, thisOwner } from './owner-lock';

/** Below the range the kernel gives to outgoing connections, so nothing takes a port while its server is restarted. */
const FIRST = 20_000;
const COUNT = 12_000;
const MAX_TRIES = 1_000;

/**
 * Free TCP ports on 127.0.0.1. They belong to this process until it ends: no other process that asks here gets them, not
 * even while nothing listens there because a node boots or a server was killed.
 */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  for (let tries = 0; ports.length < count && tries < MAX_TRIES; tries += 1) {
    const port = FIRST + Math.floor(Math.random() * COUNT);
    if (reserve(port) && (await isFree(port))) ports.push(port);
  }
  if (ports.length < count)
    throw new Error(`no ${count} free ports between ${FIRST} and ${FIRST + COUNT} on 127.0.0.1`);
  return ports;
}

/** The target of a link is its content, and it is there as soon as the link is. */
function reserve(port: number): boolean {
  const file = path.join(cacheDir('ports'), String(port));
  try {
    symlinkSync(thisOwner(), file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    // What a dead process has left is for whoever asks next: a port that two find at once must not go to both.
    if (!isHeld(file)) rmSync(file, { force: true });
    return false;
  }
}

function isHeld(file: string): boolean {
  try {
    return isLiveOwner(readlinkSync(file));
  } catch {
    return false;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
