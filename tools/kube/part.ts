/** One process of the test control plane. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import path from 'node:path';

import { endWithThisProcess } from '../../src/dev/reaper';

const STOP_TIMEOUT_MS = 5_000;
const KEPT_OUTPUT_LINES = 15;

export interface Part {
  name: string;
  pid: number;
  hasEnded(): boolean;
  /** End of what it has printed, for an error. */
  lastWords(): string;
  /** In order, and by force when that takes too long. */
  stop(): Promise<void>;
  /** As a crash would. */
  kill9(): Promise<void>;
}

/** Starts the part `name` of `program`; its output goes to `dir`, which must stand in `args`. Ends with this process. */
export function startPart(program: string, name: string, args: string[], dir: string): Part {
  const file = path.join(dir, `${name}.log`);
  const output = openSync(file, 'a');
  const child = spawn(program, [name, ...args], { cwd: dir, detached: true, stdio: ['ignore', output, output] });
  closeSync(output);
  const ended = Promise.race([once(child, 'exit'), once(child, 'error')]).catch(() => undefined);
  const pid = child.pid ?? 0;
  const callOff = endWithThisProcess(pid, dir);
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null || child.pid === undefined;
  const end = async (signal: 'SIGTERM' | 'SIGKILL') => {
    if (!hasEnded()) {
      child.kill(signal);
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
      await ended;
      clearTimeout(timer);
    }
    callOff();
  };
  return {
    name,
    pid,
    hasEnded,
    lastWords: () => readFileSync(file, 'utf8').trimEnd().split('\n').slice(-KEPT_OUTPUT_LINES).join('\n'),
    stop: () => end('SIGTERM'),
    kill9: () => end('SIGKILL'),
  };
}
