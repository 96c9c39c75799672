/** Helpers of the local stack: cache directory, commands, and process identity. */
import { execFile, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { OspatchError } from '../domain/shared/errors';

/** Receives one line of text, without a line end. */
export type Log = (line: string) => void;

export interface CommandResult {
  /** Exit code; 127 when the command does not exist, 128 when it was ended by a signal. */
  code: number;
  stdout: string;
  stderr: string;
}

export interface CommandOptions {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  /** Written to the command's standard input, which is then closed. */
  input?: string;
  /** The command is killed after this time; 0 (default): no limit. */
  timeoutMs?: number;
}

/** Lines of a failed command's output in its error. */
const ERROR_LINES = 8;

const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

/**
 * `$OSPATCH_CACHE`, or `ospatch` in the user's cache directory. Created when missing, except for a missing home
 * directory: HOME may be wrong, or its file system not mounted yet.
 *
 * @throws OspatchError `Usage`
 */
export function cacheDir(...parts: string[]): string {
  const base =
    process.env['OSPATCH_CACHE'] ??
    path.join(process.env['XDG_CACHE_HOME'] ?? path.join(existingHome(), '.cache'), 'ospatch');
  const dir = path.resolve(base, ...parts);
  // Programs in the cache are run.
  mkdirSync(dir, { recursive: true, mode: 0o755 });
  return dir;
}

function existingHome(): string {
  const home = homedir();
  if (existsSync(home)) return home;
  throw new OspatchError({
    type: 'Usage',
    message: `the home directory ${home} does not exist, so there is no place for the cache`,
    remedy: 'set OSPATCH_CACHE to a directory for the cache, or correct HOME',
  });
}

/** Runs a command to its end; never throws because of its exit code. */
export function runProgram(command: string, args: string[], options: CommandOptions = {}): Promise<CommandResult> {
  return new Promise((resolve) => {
    const child = execFile(
      command,
      args,
      { cwd: options.cwd, env: options.env, maxBuffer: MAX_OUTPUT_BYTES, timeout: options.timeoutMs ?? 0 },
      (error, stdout, stderr) => {
        if (error === null) return resolve({ code: 0, stdout, stderr });
        if (typeof error.code === 'number') return resolve({ code: error.code, stdout, stderr });
        resolve({ code: error.code === 'ENOENT' ? 127 : 128, stdout, stderr: stderr || error.message });
      },
    );
    // A command that ends before reading its input is reported by its exit code, not by EPIPE.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(options.input ?? '');
  });
}

/** Runs a command to its end and returns its output; throws one sentence with the last lines of its output. */
export async function mustRun(command: string, args: string[], options: CommandOptions = {}): Promise<string> {
  const result = await runProgram(command, args, options);
  if (result.code === 0) return result.stdout;
  // Some tools (Maven) print errors to standard output.
  const output = stripVTControlCharacters(`${result.stdout}\n${result.stderr}`).split('\n');
  const tail = output
    .filter((line) => line.trim() !== '')
    .slice(-ERROR_LINES)
    .join('\n');
  throw new Error(`${command} ${args.slice(0, 3).join(' ')} exited with code ${result.code}:\n${tail}`);
}

/** Absolute path of a command on PATH, or undefined. */
export function which(command: string): string | undefined {
  const found = spawnSync('sh', ['-c', 'command -v "$1"', 'sh', command], { encoding: 'utf8' });
  return found.status === 0 ? found.stdout.trim() : undefined;
}

/**
 * The environment for a program that must use only the server at `address`: the user's settings for another server
 * (namespace, TLS, API key) are dropped.
 */
export function environmentFor(address: string): NodeJS.ProcessEnv {
  const others = Object.entries(process.env).filter(([name]) => !name.startsWith('TEMPORAL_'));
  return { ...Object.fromEntries(others), TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: 'default' };
}

/** Kernel start time of a process, unique together with its id; undefined when the process has ended. */
export function processStartTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const afterName = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return afterName[0] === 'Z' ? undefined : afterName[19];
  } catch {
    return undefined;
  }
}

/** Interval of progress lines during a long operation. */
const STILL_AT_IT_MS = 20_000;

/** Runs `work` and logs its start and duration. `usual`: the typical duration. */
export async function timed<T>(log: Log, what: string, usual: string, work: () => Promise<T>): Promise<T> {
  log(`${what} (usually ${usual}) ...`);
  const start = Date.now();
  const elapsed = () => ((Date.now() - start) / 1000).toFixed(1);
  const ticker = setInterval(() => log(`${what}: still at it after ${elapsed()} s`), STILL_AT_IT_MS);
  try {
    const result = await work();
    log(`${what}: done in ${elapsed()} s`);
    return result;
  } finally {
    clearInterval(ticker);
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
