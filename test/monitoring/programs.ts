/** Programs that tests start and end. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { endWithThisProcess } from '../../src/dev/reaper';

export interface RunningProgram {
  /** All that it has printed on standard output. */
  stdout(): string;
  /** The same of standard error. */
  stderr(): string;
  /** Ends it. */
  stop(): Promise<void>;
}

/** Starts a program, which ends with this process at the latest. */
export function startProgram(program: string, args: readonly string[]): RunningProgram {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = once(child, 'exit');
  const callOff = endWithThisProcess(child.pid ?? 0, program);
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  return {
    stdout: () => stdout,
    stderr: () => stderr,
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
      callOff();
    },
  };
}
