/** Real OpenSSH servers, each with its own configuration, in the file tree of a lab node that is not booted. */
import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readFileSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import { freePorts } from '../../src/dev/ports';
import { ensureImage } from '../../tools/lab/images';
import { mountImage, unmount } from '../../tools/lab/layers';
import { ensureLabTools } from '../../tools/lab/prerequisites';
import type { LabSuite } from '../../tools/lab/recipe';
import { defined } from '../../src/domain/shared/defined';
import { openRunDir } from '../../tools/lab/run-dir';
import type { SshTarget } from '../../src/ssh/transport';
import { waitFor } from '../support/wait-for';

export interface Sshd {
  port: number;
  /** `TYPE BASE64` of its Ed25519 key. */
  hostKey: string;
  /** Its log so far. */
  log(): string;
  /** Processes that serve a connection now. */
  sessions(): number;
  stop(): Promise<void>;
}

export interface SshdLab {
  keyDir: string;
  /** File tree of all servers, seen from the host. */
  root: string;
  /** Starts a server; `settings` are lines of sshd_config that precede the default ones. */
  start(settings?: string[], hostKeyType?: string): Promise<Sshd>;
  /** Runs a program inside the tree. */
  inside(...command: string[]): string;
  /** Creates a key in the key directory that every account accepts; returns its public half. */
  key(name: string, ...options: string[]): string;
  stop(): Promise<void>;
}

/** `suite`: the Debian release that the servers are of; default: that of the lab. */
export async function createSshdLab(suite?: LabSuite): Promise<SshdLab> {
  await ensureLabTools(() => undefined);
  const run = await openRunDir(() => undefined);
  const options = { updates: 'all', oldBaseFiles: false, labUpdates: [], ...defined({ suite }) } as const;
  const image = await ensureImage({ ...options, labUpdates: [] }, run, () => undefined);
  const dir = path.join(run.dir, 'sshd');
  const root = await mountImage(image, dir, { scratch: true });
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
      await emptyTree(root);
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
    // For this option, unlike all others, the last line counts.
    ...(settings.some((line) => line.startsWith('MaxStartups')) ? [] : ['MaxStartups 100']),
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
  const sessions = descendants(child.pid ?? 0);
  if (child.exitCode === null && child.signalCode === null) {
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    await ended;
  }
  sessions.forEach(kill);
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // The process has ended already.
  }
}

/** Kills what commands have left running in the tree, so that the tree can be unmounted. */
async function emptyTree(root: string): Promise<void> {
  const inTree = (): number[] =>
    readdirSync('/proc')
      .map(Number)
      .filter((pid) => {
        try {
          return pid > 0 && readlinkSync(`/proc/${pid}/root`) === root;
        } catch {
          return false;
        }
      });
  await waitFor(
    () => {
      const left = inTree();
      left.forEach(kill);
      return left.length === 0;
    },
    { what: 'the end of all processes of the tree', pollMs: 20 },
  );
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
