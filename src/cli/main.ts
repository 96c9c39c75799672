import { CommanderError } from 'commander';
import { processContext } from './io/context';
import type { CliContext } from './io/context';
import { reportError } from './io/errors';
import { buildProgram } from './program';

/** Runs one command line (without `node` and the script). Never throws; the result is the context's exit code. */
export async function runCli(args: readonly string[], context: CliContext): Promise<void> {
  try {
    await buildProgram(context).parseAsync([...args], { from: 'user' });
  } catch (error) {
    // Commander has already printed its message or the help.
    if (error instanceof CommanderError) context.setExitCode(error.exitCode === 0 ? 0 : 2);
    else reportError(context, error);
  }
}

/** Entry of the `ospatch` program. */
export function main(): Promise<void> {
  endQuietlyOnClosedPipe();
  return runCli(process.argv.slice(2), processContext());
}

/** `ospatch ... | head` closes the pipe early: without a reader, the command can end. */
function endQuietlyOnClosedPipe(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit();
  });
  // Unread notes must not turn the exit code into that of a crash; the command itself continues.
  process.stderr.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}
