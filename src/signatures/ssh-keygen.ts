/** Runs `ssh-keygen -Y`: without a shell, with nothing in its arguments but paths and fixed words. */
import { spawn } from 'node:child_process';
import { codeOf } from '../domain/shared/error-code';
import { plainText } from '../domain/shared/text';

/** Output beyond this is no signature and no list of principals. */
const MAX_OUTPUT_BYTES = 64 * 1024;

/** Of a call that asks nobody. */
const CHECK_LIMIT_MS = 5_000;

/** Variables that ssh-keygen needs: for the agent, for FIDO keys, and to ask for a passphrase. */
const PASSED = ['PATH', 'HOME', 'SSH_AUTH_SOCK', 'SSH_ASKPASS', 'SSH_ASKPASS_REQUIRE', 'SSH_SK_PROVIDER', 'DISPLAY'];

export interface KeygenResult {
  /** Null: ended by a signal. */
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface KeygenOptions {
  input?: string;
  /** Gets each line of standard error as it comes; e.g. the request to touch a FIDO key. */
  onMessage?: (line: string) => void;
  /** In milliseconds; null: somebody may be asked for a passphrase. Default 5 s. */
  limitMs?: number | null;
}

/** ssh-keygen could not be run, or did not end. */
export class KeygenError extends Error {}

/** @throws KeygenError */
export function runKeygen(
  args: readonly string[],
  { input = '', onMessage, limitMs = CHECK_LIMIT_MS }: KeygenOptions = {},
): Promise<KeygenResult> {
  // Times in lists of signers are read in UTC everywhere, and messages are in English.
  const env: NodeJS.ProcessEnv = { TZ: 'UTC', LC_ALL: 'C' };
  for (const name of PASSED) if (process.env[name] !== undefined) env[name] = process.env[name];
  return new Promise((resolve, reject) => {
    const child = spawn('ssh-keygen', args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
    const output = { stdout: '', stderr: '' };
    let bytes = 0;
    const fail = (why: string): void => {
      child.kill('SIGKILL');
      reject(new KeygenError(why));
    };
    const timer =
      limitMs === null ? undefined : setTimeout(() => fail(`ssh-keygen did not end within ${limitMs} ms`), limitMs);
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8');
      child[name].on('data', (chunk: string) => {
        bytes += chunk.length;
        if (bytes > MAX_OUTPUT_BYTES) return fail('ssh-keygen wrote too much');
        output[name] += chunk;
        if (name === 'stderr' && onMessage !== undefined)
          for (const line of chunk.split('\n')) if (line.trim() !== '') onMessage(plainText(line, 300));
      });
    }
    child.on('error', (error) => {
      clearTimeout(timer);
      const why =
        codeOf(error) === 'ENOENT' ? 'there is no ssh-keygen here; install the OpenSSH client' : error.message;
      reject(new KeygenError(why));
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ code, ...output });
    });
    // It may have ended without reading its input.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
  });
}

/** The last line of what ssh-keygen has said. */
export function lastWords({ stdout, stderr, code }: KeygenResult): string {
  const lines = `${stdout}\n${stderr}`
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('Signing data'));
  return plainText(lines.at(-1) ?? `exit code ${code ?? 'none'}`, 300);
}
