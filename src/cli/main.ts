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
  // gRPC writes what it retries to the terminal; what comes of a call is told by the command.
  process.env['GRPC_VERBOSITY'] ??= 'NONE';
  // For those who write programs for Node.js, not for those who use this one.
  process.removeAllListeners('warning');
  endOnUnwritableOutput();
  return runCli(process.argv.slice(2), processContext());
}

/** `ospatch ... | head` closes the pipe early: without a reader, the command can end. A full disk loses output. */
function endOnUnwritableOutput(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') return process.exit();
    process.stderr.write(`error: the output cannot be written: ${error.message}\n`);
    return process.exit(1);
  });
  // Unread notes must not turn the exit code into that of a crash; the command itself continues.
  process.stderr.on('error', () => undefined);
}
