/** Runs the OpenSSH client: its files, its environment, and the login that leaves a control master running. */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import type { OspatchError } from '../../domain/shared/errors';
import { unreachable } from '../connect-errors';
import { unavailable } from '../builtin/identity';
import { ALIAS } from './config';
import { classifyOpensshFailure } from './errors';
import { programEnvironment } from '../../programs/environment';
import type { SshTarget } from '../transport';

const MAX_LOG_BYTES = 64 * 1024;

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
): Promise<void> {
  const said = openSync(files.said, 'w', 0o600);
  const args = ['-F', files.config, '-E', files.log, '-o', 'LogLevel=DEBUG1', '-o', 'ControlMaster=yes', '-f', '-N'];
  const child = spawn('ssh', [...args, '--', ALIAS], {
    env: clientEnvironment(),
    stdio: ['ignore', 'ignore', said],
  });
  closeSync(said);
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs + GRACE_MS);
  const end = await new Promise<number | null | Error>((resolve) => {
    child.once('error', resolve);
    child.once('exit', resolve);
  });
  clearTimeout(timer);
  if (typeof end === 'object' && end !== null) throw noClient(end);
  if (end === 0 && existsSync(files.socket)) {
    // The master keeps both open, but nothing reads them anymore.
    rmSync(files.log, { force: true });
    rmSync(files.said, { force: true });
    return;
  }
  if (end === null) throw unreachable(target, 'it does not answer');
  throw classifyOpensshFailure(target, readLog(files.log), readLog(files.said), jump);
}

/**
 * No prompts, and messages in English because they are parsed. The configuration names the agent; variables of the
 * worker are left out but for the libraries of FIDO keys.
 */
export function clientEnvironment(): Record<string, string> {
  return programEnvironment({ pass: ['SSH_SK_*'], set: { LC_ALL: 'C', SSH_ASKPASS_REQUIRE: 'never' } });
}

export function readLog(file: string): string {
  try {
    return readFileSync(file).subarray(-MAX_LOG_BYTES).toString('utf8');
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
