/** `ospatch worker` as a process of its own (`make build` first). */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';

const PROGRAM = path.join(__dirname, '../../bin/ospatch.js');

export interface WorkerProcess {
  /** What it has written to standard output and standard error. */
  output(): string;
  /** Asks it to end. */
  terminate(): void;
  /** Its exit code; null when a signal has ended it. */
  ended: Promise<number | null>;
  /** Ends it at once. */
  kill(): Promise<void>;
}

export function startWorker(args: readonly string[], env: Readonly<Record<string, string>> = {}): WorkerProcess {
  const child = spawn(process.execPath, [PROGRAM, 'worker', ...args], {
    env: { ...process.env, NO_COLOR: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = once(child, 'exit').then(([code]) => code as number | null);
  return {
    output: () => output,
    terminate: () => void child.kill('SIGTERM'),
    ended,
    kill: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
