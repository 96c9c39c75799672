/** Runs programs on the worker that an administrator has named: hooks, passphrase commands, credential plugins. */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { codeOf } from '../domain/shared/error-code';
import { cleanErrorOutput } from './output';

/** Time between SIGTERM and SIGKILL, for a program that has to put something in order. */
const GRACE_MS = 2_000;

/** A child in the background may hold the output of a program that has ended. */
const LATE_OUTPUT_MS = 1_000;

/** The end of the error output, enough for a message. */
const MAX_STDERR_BYTES = 16 * 1024;

/** A program that prints more errors than this is ended. */
const MAX_STDERR_TOTAL = 1024 * 1024;

export interface ProgramOptions {
  args: readonly string[];
  /** All variables of the program, from `programEnvironment`. */
  env: Record<string, string>;
  timeoutMs: number;
  /** A program that prints more than this to its standard output is ended. */
  maxBytes: number;
  /** Ends the program. */
  signal?: AbortSignal;
}

/** How a program ended. `not-started` has the code of the system, e.g. `EACCES`. */
export type ProgramEnd =
  | { kind: 'exit'; code: number }
  | { kind: 'signal'; signal: string }
  | { kind: 'timeout' }
  | { kind: 'too-much' }
  | { kind: 'not-started'; code: string };

export interface ProgramResult {
  end: ProgramEnd;
  /** As printed: it may be a secret. Empty unless the program ended by itself. */
  stdout: Buffer;
  /** The last lines, without secrets and control characters. */
  stderr: string;
}

/** The process groups of running programs, which end with this process. */
const running = new Set<number>();
let endsThem = false;

/**
 * Runs a program to its end: without a shell, without standard input, in the directory `/` and in a process group of
 * its own, which is ended whole, also when the program itself ends first. Never waits for children that keep the output
 * open.
 *
 * @throws the reason of `signal` when it is aborted, after the program has been ended
 */
export async function runWorkerProgram(program: string, options: ProgramOptions): Promise<ProgramResult> {
  options.signal?.throwIfAborted();
  const result = await start(program, options);
  options.signal?.throwIfAborted();
  return result;
}

function start(program: string, options: ProgramOptions): Promise<ProgramResult> {
  try {
    return new Program(program, options).ended;
  } catch (error) {
    // Such as a zero byte in an argument.
    const end: ProgramEnd = { kind: 'not-started', code: codeOf(error) ?? 'unknown reason' };
    return Promise.resolve({ end, stdout: Buffer.alloc(0), stderr: '' });
  }
}

class Program {
  readonly ended: Promise<ProgramResult>;
  private readonly child: ChildProcess;
  private readonly stdout: Buffer[] = [];
  private stderr = Buffer.alloc(0);
  private isStderrCut = false;
  private stdoutBytes = 0;
  private stderrBytes = 0;
  /** Why this program was ended from outside. */
  private cause: 'timeout' | 'too-much' | 'aborted' | null = null;
  private isFinished = false;
  private readonly timers: NodeJS.Timeout[] = [];
  private settle: (result: ProgramResult) => void = () => undefined;
  private readonly onAbort = (): void => this.stop('aborted');

  constructor(
    program: string,
    private readonly options: ProgramOptions,
  ) {
    this.ended = new Promise((resolve) => {
      this.settle = resolve;
    });
    const { args, env, signal, timeoutMs } = options;
    this.child = spawn(program, args, { detached: true, env, cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] });
    if (this.child.pid !== undefined) keep(this.child.pid);
    signal?.addEventListener('abort', this.onAbort, { once: true });
    this.after(timeoutMs, () => this.stop('timeout'));
    this.child.stdout?.on('data', (chunk: Buffer) => this.keep(chunk));
    this.child.stderr?.on('data', (chunk: Buffer) => this.keepTail(chunk));
    this.child.once('error', (error) => this.finish({ kind: 'not-started', code: codeOf(error) ?? 'unknown reason' }));
    this.child.once('exit', () => {
      // Children in the background are not waited for.
      this.after(LATE_OUTPUT_MS, () => this.finishAsExited());
    });
    this.child.once('close', () => this.finishAsExited());
  }

  private after(ms: number, act: () => void): void {
    this.timers.push(setTimeout(act, ms));
  }

  private keep(chunk: Buffer): void {
    this.stdoutBytes += chunk.length;
    if (this.stdoutBytes > this.options.maxBytes) this.stop('too-much');
    else this.stdout.push(chunk);
  }

  private keepTail(chunk: Buffer): void {
    this.stderrBytes += chunk.length;
    if (this.stderrBytes > MAX_STDERR_TOTAL) this.stop('too-much');
    const all = Buffer.concat([this.stderr, chunk]);
    this.isStderrCut ||= all.length > MAX_STDERR_BYTES;
    this.stderr = all.subarray(-MAX_STDERR_BYTES);
  }

  private stop(cause: 'timeout' | 'too-much' | 'aborted'): void {
    if (cause === 'too-much') {
      this.child.stdout?.destroy();
      this.child.stderr?.destroy();
    }
    // Otherwise the output stays open: a program that puts something in order may print, and would end of that.
    if (this.cause !== null) return;
    this.cause = cause;
    endGroup(this.child.pid, 'SIGTERM');
    this.after(GRACE_MS, () => endGroup(this.child.pid, 'SIGKILL'));
    // A process that waits for a device ends when the device answers.
    this.after(GRACE_MS + LATE_OUTPUT_MS, () => this.finishAsExited());
  }

  private finishAsExited(): void {
    const { exitCode, signalCode } = this.child;
    if (this.cause === 'timeout' || this.cause === 'too-much') this.finish({ kind: this.cause });
    else if (exitCode !== null) this.finish({ kind: 'exit', code: exitCode });
    else this.finish({ kind: 'signal', signal: signalCode ?? 'unknown' });
  }

  private finish(end: ProgramEnd): void {
    if (this.isFinished) return;
    this.isFinished = true;
    for (const timer of this.timers) clearTimeout(timer);
    this.options.signal?.removeEventListener('abort', this.onAbort);
    this.child.stdout?.destroy();
    this.child.stderr?.destroy();
    endRest(this.child.pid);
    const stdout = this.cause === null ? Buffer.concat(this.stdout) : Buffer.alloc(0);
    this.settle({ end, stdout, stderr: cleanErrorOutput(this.errorOutput(), this.options.env) });
  }

  /** Without the first line when its beginning is lost: it may be the end of a secret. */
  private errorOutput(): string {
    const text = this.stderr.toString('utf8');
    if (!this.isStderrCut) return text;
    return text.includes('\n') ? text.slice(text.indexOf('\n') + 1) : '';
  }
}

/** What the program has left in its group. The group keeps its id while it has a process. */
function endRest(pid: number | undefined): void {
  if (pid === undefined) return;
  if (!endGroup(pid, 'SIGTERM')) {
    running.delete(pid);
    return;
  }
  setTimeout(() => {
    endGroup(pid, 'SIGKILL');
    running.delete(pid);
  }, GRACE_MS).unref();
}

/** False when the group has no process left. */
function endGroup(pid: number | undefined, signal: NodeJS.Signals): boolean {
  if (pid === undefined) return false;
  try {
    process.kill(-pid, signal);
    return true;
  } catch {
    return false;
  }
}

function keep(pid: number): void {
  if (!endsThem) process.once('exit', endAll);
  endsThem = true;
  running.add(pid);
}

function endAll(): void {
  for (const pid of running) endGroup(pid, 'SIGKILL');
}
