/** TCP ports for the local stack, each reserved for one process. */
import { readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { cacheDir } from './host';
import { isLiveOwner, thisOwner } from './owner-lock';

/** Below the ephemeral port range, so that nothing takes a port while its server restarts. */
const FIRST = 20_000;
const COUNT = 12_000;
const MAX_TRIES = 1_000;

/**
 * Free TCP ports on 127.0.0.1, reserved for this process until it ends: no other caller of this function gets them,
 * even while nothing listens because a node boots or a server was killed.
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

/** A symbolic link is created atomically with its target, which holds the owner. */
function reserve(port: number): boolean {
  const file = path.join(cacheDir('ports'), String(port));
  try {
    symlinkSync(thisOwner(), file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    // The leftover of a dead process is removed for the next caller: two callers that find it must not both get the
    // port.
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
