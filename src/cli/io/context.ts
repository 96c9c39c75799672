import type { Readable, Writable } from 'node:stream';

/** The environment of a command, so that it runs in a test as on a terminal. */
export interface CliContext {
  stdout: Writable;
  stderr: Writable;
  stdin: Readable;
  /** Whether standard output is a terminal: live displays and colours need one. */
  isTTY: boolean;
  /** The same for standard error, which shows errors and questions. */
  isErrorTTY: boolean;
  env: Readonly<Record<string, string | undefined>>;
  /** Epoch milliseconds. */
  now(): number;
  /** Absolute; base of relative file names. */
  cwd: string;
  /** Prints data; absent: as JSON. */
  format?: (value: unknown) => string;
  /** Before each document of several. Absent: none, and each is one line. */
  separator?: string;
  /** Nothing is cut or left out because of the width of the terminal. Absent: the width counts. */
  isWide?: boolean;
  /** 0 success, 1 failure, 2 usage or invalid spec, 3 a difference if asked for. The process ends with it when the command is done. */
  setExitCode(code: 0 | 1 | 2 | 3 | 130): void;
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

/** Reads standard input to its end. */
export async function readStdin({ stdin }: CliContext): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stdin) chunks.push(Buffer.from(chunk as Uint8Array | string));
  return Buffer.concat(chunks).toString('utf8');
}
