/** Runs the OpenSSH client: its files, its environment, and the login that leaves a control master running. */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, fstatSync, openSync, readSync, truncateSync } from 'node:fs';
import path from 'node:path';
import type { OspatchError } from '../../domain/shared/errors';
import { floods, unreachable } from '../connect-errors';
import { unavailable } from '../builtin/identity';
import { ALIAS } from './config';
import type { LoginAttempt } from '../login-gate';
import { classifyOpensshFailure } from './errors';
import { programEnvironment } from '../../programs/environment';
import type { SshTarget } from '../transport';

const MAX_LOG_BYTES = 64 * 1024;

/**
 * Runs a program that cannot write a file larger than 4 MiB (dash) or 8 MiB (bash). The log of a master takes what the
 * server chooses to say, for as long as the connection lasts; a client that reaches the limit is ended by the system.
 */
const LIMITED = ['-c', 'ulimit -f 8192 && exec "$0" "$@"'];

/** The client times out earlier by itself, except when a jump host hangs. */
const GRACE_MS = 5_000;

/** The files of one connection. Their names are short, because a socket path is limited to about 100 characters. */
export class ClientFiles {
  readonly config: string;
  readonly knownHosts: string;
  readonly socket: string;
  readonly agent: string;
  readonly publicKey: string;
  readonly log: string;
  readonly said: string;
  private logs = 0;

  constructor(readonly dir: string) {
    this.config = path.join(dir, 'config');
    this.knownHosts = path.join(dir, 'hosts');
    this.socket = path.join(dir, 's');
    this.agent = path.join(dir, 'a');
    this.publicKey = path.join(dir, 'key.pub');
    this.log = path.join(dir, 'log');
    this.said = path.join(dir, 'said');
  }

  nextLog(): string {
    this.logs += 1;
    return `${this.log}-${this.logs}`;
  }
}

/** Starts the control master, which goes to the background after the login. */
export async function logIn(
  target: SshTarget,
  files: ClientFiles,
  timeoutMs: number,
  jump: SshTarget | null,
  attempt: LoginAttempt,
): Promise<void> {
  const said = openSync(files.said, 'a', 0o600);
  const args = ['-F', files.config, '-E', files.log, '-o', 'LogLevel=DEBUG1', '-o', 'ControlMaster=yes', '-f', '-N'];
  const child = spawn('sh', [...LIMITED, 'ssh', ...args, '--', ALIAS], {
    env: clientEnvironment(),
    stdio: ['ignore', 'ignore', said],
  });
  closeSync(said);
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs + GRACE_MS);
  const end = await new Promise<{ code: number | null; signal: string | null } | Error>((resolve) => {
    child.once('error', resolve);
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  clearTimeout(timer);
  if (end instanceof Error) throw noClient(end);
  if (end.code === 0 && existsSync(files.socket)) return emptyLogs(files);
  charge(attempt, readLog(files.log));
  if (end.signal === 'SIGXFSZ') throw floods(target, 'during the login');
  if (end.code === null) throw unreachable(target, 'it does not answer');
  throw classifyOpensshFailure(target, readLog(files.log), readLog(files.said), jump);
}

/**
 * The master keeps its files open as long as it lives. They are emptied again and again, so that their limit is reached
 * only by a server that floods.
 */
export function emptyLogs(files: ClientFiles): void {
  for (const file of [files.log, files.said]) {
    try {
      truncateSync(file);
    } catch {
      // A cleaner of temporary files was faster.
    }
  }
}

/** How far a failed login got, by the log of the client. */
function charge(attempt: LoginAttempt, log: string): void {
  if (!/Remote protocol version|kex_exchange_identification|banner exchange/.test(log)) return;
  attempt.connected();
  // At the beginning of a line: the rest may be words of the server.
  if (/^debug1: (?:Authentications that can continue|Offering public key|Server accepts key)/m.test(log))
    attempt.offered();
}

/**
 * No prompts, and messages in English because they are parsed. The configuration names the agent; variables of the
 * worker are left out but for the libraries of FIDO keys.
 */
export function clientEnvironment(): Record<string, string> {
  return programEnvironment({ pass: ['SSH_SK_*'], set: { LC_ALL: 'C', SSH_ASKPASS_REQUIRE: 'never' } });
}

/** The end of a log, whatever its size. */
export function readLog(file: string): string {
  try {
    const fd = openSync(file, 'r');
    try {
      const { size } = fstatSync(fd);
      const tail = Buffer.alloc(Math.min(size, MAX_LOG_BYTES));
      return tail.subarray(0, readSync(fd, tail, 0, tail.length, size - tail.length)).toString('utf8');
    } finally {
      closeSync(fd);
    }
  } catch {
    return '';
  }
}

export function noClient(cause: Error): OspatchError {
  return unavailable(
    'ssh.transport is openssh, but the worker has no OpenSSH client that can be run',
    'install openssh-client on the worker',
    cause,
  );
}
