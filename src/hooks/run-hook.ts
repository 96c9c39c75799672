/** Runs hook programs that an administrator has placed on the worker, by name. */
import { execFile } from 'node:child_process';
import { lstat } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { OspatchError } from '../domain/shared/errors';
import type { NodeTarget } from '../domain/spec/types';
import { plainText, withoutFullStop } from '../domain/shared/text';

const run = promisify(execFile);

/** Management controllers are slow; after this long there will be no answer. */
const TIMEOUT_MS = 5 * 60_000;

/** The end of the output, enough for the error message. */
const MAX_OUTPUT_BYTES = 64 * 1024;

const OTHERS_MAY_WRITE = 0o022;

/**
 * Runs the program `name` in `hookDir` with the arguments CLUSTER NODE HOST, without a shell and without standard
 * input.
 *
 * @throws OspatchError `PowerCycle` when the program does not exist, others may write to it, or it fails
 */
export async function runHook(
  hookDir: string | null,
  name: string,
  { cluster, name: node, host }: NodeTarget,
  signal: AbortSignal,
): Promise<void> {
  const file = await findHook(hookDir, name, node);
  const options = { timeout: TIMEOUT_MS, maxBuffer: MAX_OUTPUT_BYTES, signal, cwd: '/' };
  try {
    await run(file, [cluster, node, host], options);
  } catch (error) {
    signal.throwIfAborted();
    throw new OspatchError(
      {
        type: 'PowerCycle',
        message: `the hook ${name} did not power-cycle ${node}: ${failureOf(error)}`,
        remedy: `run it by hand on the worker, or power-cycle ${node} yourself`,
      },
      { cause: error },
    );
  }
}

/** The name was validated by the schema; a program that others may change would run with the worker's privileges. */
async function findHook(hookDir: string | null, name: string, node: string): Promise<string> {
  const refuse = (why: string): OspatchError =>
    new OspatchError({
      type: 'PowerCycle',
      message: `${node} cannot be power-cycled: ${why}`,
      remedy: `place the program ${name} in the worker's hook directory (OSPATCH_HOOK_DIR), writable only for its owner`,
    });
  if (hookDir === null) throw refuse('the worker has no hook directory');
  if (path.basename(name) !== name || name.startsWith('.')) throw refuse(`${JSON.stringify(name)} is not a bare name`);
  const file = path.join(hookDir, name);
  const stats = await lstat(file).catch(() => null);
  if (stats === null) throw refuse(`the worker has no hook ${name}`);
  const own = stats.uid === 0 || stats.uid === process.getuid?.();
  if (!stats.isFile() || !own || (stats.mode & OTHERS_MAY_WRITE) !== 0) {
    throw refuse(`the hook ${name} is not a file that only the worker's user or root may write to`);
  }
  return file;
}

function failureOf(error: unknown): string {
  const { code, killed, stderr } = (error ?? {}) as { code?: unknown; killed?: unknown; stderr?: unknown };
  const last = typeof stderr === 'string' ? plainText(stderr.trim().split('\n').at(-1) ?? '', 200) : '';
  const said = last === '' ? '' : ` (${withoutFullStop(last)})`;
  if (killed === true) return `it did not end within ${TIMEOUT_MS / 60_000} min${said}`;
  return typeof code === 'number' ? `it exited with code ${code}${said}` : `it could not be run (${String(code)})`;
}
