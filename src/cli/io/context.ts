import type { Readable, Writable } from 'node:stream';

/** Everything a command takes from its context, so that it runs in a test as it does in a terminal. */
export interface CliContext {
  stdout: Writable;
  stderr: Writable;
  stdin: Readable;
  /** Whether a person watches standard output: live displays and colours are for terminals only. */
  isTTY: boolean;
  /** The same for standard error, where errors and questions go. */
  isErrorTTY: boolean;
  env: Readonly<Record<string, string | undefined>>;
  /** Epoch milliseconds. */
  now(): number;
  /** Absolute; relative names of files are relative to it. */
  cwd: string;
  /** 0 success, 1 failure, 2 usage or invalid spec. The process ends with it when the command is done. */
  setExitCode(code: 0 | 1 | 2): void;
}

export function processContext(): CliContext {
  return {
    stdout: process.stdout,
    stderr: process.stderr,
    stdin: process.stdin,
    isTTY: process.stdout.isTTY === true,
    isErrorTTY: process.stderr.isTTY === true,
    env: process.env,
    now: () => Date.now(),
    cwd: process.cwd(),
    setExitCode: (code) => {
      process.exitCode = code;
    },
  };
}

/** All of standard input as text. */
export async function readStdin({ stdin }: CliContext): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stdin) chunks.push(Buffer.from(chunk as Uint8Array | string));
  return Buffer.concat(chunks).toString('utf8');
}
