/** Real OpenSSH servers, each with a configuration of its own, in the file tree of a lab node that is not booted. */
import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import { freePorts } from '../../src/dev/host';
import { ensureImage } from '../../src/dev/lab/images';
import { mountImage, unmount } from '../../src/dev/lab/layers';
import { ensureLabTools } from '../../src/dev/lab/prerequisites';
import { openRunDir } from '../../src/dev/lab/run-dir';
import type { SshTarget } from '../../src/ssh/transport';
import { waitFor } from '../support/wait-for';

export interface Sshd {
  port: number;
  /** `TYPE BASE64` of its Ed25519 key. */
  hostKey: string;
  /** What it has logged so far. */
  log(): string;
  /** Processes that serve a connection now. */
  sessions(): number;
  stop(): Promise<void>;
}

export interface SshdLab {
  keyDir: string;
  /** File tree of all servers, as seen from outside. */
  root: string;
  /** Starts a server; `settings` are lines of sshd_config that count before the usual ones. */
  start(settings?: string[], hostKeyType?: string): Promise<Sshd>;
  /** Runs a program inside the tree. */
  inside(...command: string[]): string;
  /** Makes a key in the key directory that every account accepts; returns its public half. */
  key(name: string, ...options: string[]): string;
  stop(): Promise<void>;
}

export async function createSshdLab(): Promise<SshdLab> {
  await ensureLabTools(() => undefined);
  const run = await openRunDir(() => undefined);
  const image = await ensureImage({ updates: 'all', oldBaseFiles: false, labUpdates: [] }, run, () => undefined);
  const dir = path.join(run.dir, 'sshd');
  const root = await mountImage(image, dir);
  const keyDir = path.join(run.dir, 'keys');
  mkdirSync(keyDir, { mode: 0o700 });
  mkdirSync(path.join(root, 'run/sshd'), { recursive: true });
  writeFileSync(path.join(root, 'etc/authorized_keys'), '');
  const servers: Sshd[] = [];
  let started = 0;
  const inside = (...command: string[]): string => execFileSync('chroot', [root, ...command], { encoding: 'utf8' });
  return {
    keyDir,
    root,
    inside,
    async start(settings = [], hostKeyType = 'ed25519') {
      started += 1;
      const server = await startSshd(root, started, settings, hostKeyType);
      servers.push(server);
      return server;
    },
    key(name, ...options) {
      const file = path.join(keyDir, name);
      const passphrase = options.includes('-N') ? [] : ['-N', ''];
      execFileSync('ssh-keygen', ['-q', '-C', name, ...passphrase, '-f', file, ...options]);
      const line = readFileSync(`${file}.pub`, 'utf8');
      writeFileSync(path.join(root, 'etc/authorized_keys'), line, { flag: 'a' });
      return line.split(' ').slice(0, 2).join(' ');
    },
    async stop() {
      for (const server of servers) await server.stop();
      await unmount(dir);
      await run.close();
    },
  };
}

async function startSshd(root: string, index: number, settings: string[], keyType: string): Promise<Sshd> {
  const [port = 0] = await freePorts(1);
  const name = `etc/ssh/test-${index}`;
  const file = path.join(root, name);
  execFileSync('ssh-keygen', ['-q', '-t', keyType, '-N', '', '-C', '', '-f', `${file}-key`]);
  const config = [
    ...settings,
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey /${name}-key`,
    'AuthorizedKeysFile /etc/authorized_keys',
    'UsePAM yes',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'PidFile none',
    'LogLevel VERBOSE',
    'MaxStartups 100',
  ];
  writeFileSync(`${file}-config`, `${config.join('\n')}\n`);
  chmodSync(path.join(root, 'etc/authorized_keys'), 0o644);
  const child = spawn('chroot', [root, '/usr/sbin/sshd', '-D', '-f', `/${name}-config`, '-E', `/${name}-log`], {
    stdio: 'ignore',
  });
  const log = (): string => readFileSync(`${file}-log`, 'utf8');
  await waitFor(() => answers(port), { what: `sshd on port ${port}`, pollMs: 20 });
  return {
    port,
    hostKey: readFileSync(`${file}-key.pub`, 'utf8').trim().split(' ').slice(0, 2).join(' '),
    log,
    sessions: () => childrenOf(child).length,
    stop: () => stopSshd(child),
  };
}

async function stopSshd(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  const processes = descendants(child.pid ?? 0);
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  await ended;
  for (const pid of processes) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended already.
    }
  }
}

function childrenOf(child: ChildProcess): number[] {
  return children(child.pid ?? 0);
}

function descendants(pid: number): number[] {
  return children(pid).flatMap((one) => [one, ...descendants(one)]);
}

function children(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(/\s+/).filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    const answer = (yes: boolean): void => {
      socket.destroy();
      resolve(yes);
    };
    socket.once('data', () => answer(true));
    socket.once('error', () => answer(false));
    socket.once('close', () => answer(false));
  });
}

/** A target on one of these servers. */
export function on(server: Sshd, more: Partial<SshTarget> = {}): SshTarget {
  return {
    name: 'w-1',
    host: '127.0.0.1',
    port: server.port,
    user: 'ospatch',
    identity: 'id',
    hostKeys: [server.hostKey],
    ...more,
  };
}

/** Removes an identity of the key directory and all that belongs to it. */
export function forget(lab: SshdLab, name: string): void {
  for (const suffix of ['', '.pub', '-cert.pub', '.passphrase'])
    rmSync(path.join(lab.keyDir, name + suffix), { force: true });
}
