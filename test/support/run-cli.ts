import { spawn } from 'node:child_process';
import path from 'node:path';
import { checkOutput } from './output-schemas';

const PROGRAM = path.join(__dirname, '../../bin/ospatch.js');

export interface CliResult {
  /** Exit code; null when killed. */
  code: number | null;
  stdout: string;
  stderr: string;
}

interface CliOptions {
  /** Added to this process's environment; undefined removes a variable. */
  env?: Record<string, string | undefined>;
  cwd?: string;
  /** Written to standard input, which is never a terminal. */
  input?: string;
  /** The program is killed after this time; default 2 minutes. */
  timeoutMs?: number;
}

/** Temporal, workers and nodes of a test share two processors: only tests about deadlines set one of their own. */
const DEADLINE = ['--timeout', '60s'];

/** Runs the built `ospatch` (`make build` first). Never throws on an exit code. */
export function runCli(args: string[], options: CliOptions = {}): Promise<CliResult> {
  const deadline = args.includes('--timeout') ? [] : DEADLINE;
  const child = spawn(process.execPath, [PROGRAM, ...deadline, ...args], {
    cwd: options.cwd,
    env: { ...process.env, NO_COLOR: '1', ...options.env },
    stdio: 'pipe',
    timeout: options.timeoutMs ?? 120_000,
    killSignal: 'SIGKILL',
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.input ?? '');
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      try {
        checkOutput(args, stdout);
        resolve({ code, stdout, stderr });
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    });
  });
}
