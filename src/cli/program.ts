import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import type { CliContext } from './context';
import { addGlobalOptions } from './global-options';
import { registerNext } from './commands/next';
import { registerSchema } from './commands/schema';
import { registerValidate } from './commands/validate';

type RegisterCommand = (program: Command, context: CliContext) => void;

/**
 * In the order of `ospatch --help`. A command file imports nothing heavy at its top: what it needs is imported when it
 * runs, so that help stays instant.
 */
const COMMANDS: readonly RegisterCommand[] = [registerValidate, registerSchema, registerNext];

/** The whole command line. Usage errors are thrown as CommanderError instead of ending the process. */
export function buildProgram(context: CliContext): Command {
  const program = new Command('ospatch')
    .description('Keeps the operating system of cluster nodes at the latest patch version, node by node, over SSH.')
    .version(readVersion())
    .exitOverride()
    .configureOutput({
      writeOut: (text) => context.stdout.write(text),
      writeErr: (text) => context.stderr.write(text),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .addHelpText('after', '\nExit codes: 0 success, 1 failure, 2 usage or invalid spec.');
  addGlobalOptions(program);
  for (const register of COMMANDS) register(program, context);
  for (const command of program.commands) {
    command.showHelpAfterError(`  fix: ospatch ${command.name()} --help shows what is allowed`);
  }
  return program.showHelpAfterError('  fix: ospatch --help shows what is allowed');
}

function readVersion(): string {
  const text = readFileSync(join(__dirname, '..', '..', 'package.json'), 'utf8');
  const { version } = JSON.parse(text) as { version: string };
  return version;
}
