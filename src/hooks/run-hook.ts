/** Runs hook programs that an administrator has placed on the worker, by name. */
import path from 'node:path';
import { OspatchError } from '../domain/shared/errors';
import type { NodeTarget } from '../domain/spec/types';
import { programEnvironment } from '../programs/environment';
import { findProgram } from '../programs/find-program';
import { lastLine } from '../programs/output';
import type { ProgramResult } from '../programs/run-program';
import { runWorkerProgram } from '../programs/run-program';
import { UntrustedFile, checkTrusted } from '../trusted-file';

/** Management controllers are slow; after this long there will be no answer. */
const TIMEOUT_MS = 5 * 60_000;

/** Far above what a hook has to say. */
const MAX_OUTPUT_BYTES = 1024 * 1024;

/** The settings of hooks, which an administrator may set for the worker. */
const HOOK_VARIABLES = ['OSPATCH_HOOK_*'];

/** An argument that a program could take for an option, or that would break its lines. */
// eslint-disable-next-line no-control-regex
const UNSAFE_ARGUMENT = /^-|[\u0000-\u001f\u007f]/;

/**
 * Runs the program `name` in `hookDir` with the arguments CLUSTER NODE HOST, without a shell and without standard
 * input. Its environment has no variables of the worker but the basic ones and `OSPATCH_HOOK_*`.
 *
 * @throws OspatchError `PowerCycle` when the program does not exist, others may change it, or it fails
 */
export async function runHook(
  hookDir: string | null,
  name: string,
  { cluster, name: node, host }: NodeTarget,
  signal: AbortSignal,
  timeoutMs = TIMEOUT_MS,
): Promise<void> {
  const args = [cluster, node, host];
  const program = findHook(hookDir, name, node, args);
  const env = programEnvironment({ pass: HOOK_VARIABLES });
  const result = await runWorkerProgram(program, { args, env, signal, timeoutMs, maxBytes: MAX_OUTPUT_BYTES });
  const why = failureOf(result, timeoutMs);
  if (why === null) return;
  throw new OspatchError({
    type: 'PowerCycle',
    message: `the hook ${name} did not power-cycle ${node}: ${why}`,
    remedy: `run it by hand on the worker, or power-cycle ${node} yourself`,
  });
}

/** A program that others may change would run with the privileges of the worker. */
function findHook(hookDir: string | null, name: string, node: string, args: readonly string[]): string {
  const refuse = (
    why: string,
    remedy = `place the program ${name} in the worker's hook directory (OSPATCH_HOOK_DIR), writable only for its owner`,
  ): OspatchError =>
    new OspatchError({ type: 'PowerCycle', message: `${node} cannot be power-cycled: ${why}`, remedy });
  if (hookDir === null) throw refuse('the worker has no hook directory');
  if (path.basename(name) !== name || name.startsWith('.')) throw refuse(`${JSON.stringify(name)} is not a bare name`);
  const unsafe = args.find((value) => UNSAFE_ARGUMENT.test(value));
  if (unsafe !== undefined) {
    const why = `${JSON.stringify(unsafe.slice(0, 100))} begins with a hyphen or contains control characters`;
    throw refuse(`${why}, and is not passed to a hook`, 'correct the name or the host in the spec');
  }
  try {
    const file = path.join(path.resolve(hookDir), name);
    checkTrusted(file, { secret: false });
    const program = findProgram(file, { searchPath: '' });
    if (program === null) throw refuse(`the hook ${name} is not executable`, `chmod +x the file on the worker`);
    return program;
  } catch (error) {
    if (!(error instanceof UntrustedFile)) throw error;
    if (error.problem === 'missing') throw refuse(`the worker has no hook ${name}`);
    throw refuse(error.message.replace('the file', `the hook ${name}`), error.remedy);
  }
}

/** Null: the hook has done its work. */
function failureOf({ end, stderr }: ProgramResult, timeoutMs: number): string | null {
  const last = lastLine(stderr);
  const said = last === '' ? '' : ` (${last})`;
  switch (end.kind) {
    case 'exit':
      return end.code === 0 ? null : `it exited with code ${end.code}${said}`;
    case 'signal':
      return `it was ended by ${end.signal}${said}`;
    case 'timeout':
      return `it did not end within ${timeoutMs / 60_000} min${said}`;
    case 'too-much':
      return `it printed more than ${MAX_OUTPUT_BYTES / 1024} KiB and was ended${said}`;
    case 'not-started':
      return `it could not be run (${end.code})`;
  }
}
