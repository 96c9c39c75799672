import { Command } from 'commander';
import { plainLines } from '../domain/shared/text';
import { packageVersion } from '../version';
import type { CliContext } from './io/context';
import { addGlobalOptions } from './options/global-options';
import { refuseRepeatedOptions } from './options/repeated';
import { registerApply } from './commands/apply';
import { registerBackup } from './commands/backup';
import { registerCalendar } from './commands/calendar';
import { registerCancel } from './commands/cancel';
import { registerCheck } from './commands/check';
import { registerCodecServer } from './commands/codec-server';
import { registerDev } from './commands/dev';
import { registerDiff } from './commands/diff';
import { registerDoctor } from './commands/doctor';
import { registerEnroll } from './commands/enroll';
import { registerEvents } from './commands/events';
import { registerExplain } from './commands/explain';
import { registerGet } from './commands/get';
import { registerHelper } from './commands/helper';
import { registerHistory } from './commands/history';
import { registerList } from './commands/list';
import { registerLogs } from './commands/logs';
import { registerNext } from './commands/next';
import { registerPatch } from './commands/patch';
import { registerPause } from './commands/pause';
import { registerPlan } from './commands/plan';
import { registerRbac } from './commands/rbac';
import { registerRecover } from './commands/recover';
import { registerRelease } from './commands/release';
import { registerRemove } from './commands/remove';
import { registerReplay } from './commands/replay';
import { registerResume } from './commands/resume';
import { registerSchema } from './commands/schema';
import { registerSteering } from './commands/steer';
import { registerStatus } from './commands/status';
import { registerSudoers } from './commands/sudoers';
import { registerUncordon } from './commands/uncordon';
import { registerValidate } from './commands/validate';
import { registerWorker } from './commands/worker';

type RegisterCommand = (program: Command, context: CliContext) => void;

/**
 * In the order of `ospatch --help`. Command files import heavy modules only when the command runs, so that help is
 * instant.
 */
const COMMANDS: readonly RegisterCommand[] = [
  registerValidate,
  registerNext,
  registerCalendar,
  registerSchema,
  registerEnroll,
  registerDoctor,
  registerDiff,
  registerApply,
  registerGet,
  registerCheck,
  registerPlan,
  registerPatch,
  registerPause,
  registerResume,
  registerCancel,
  registerSteering,
  registerStatus,
  registerList,
  registerExplain,
  registerEvents,
  registerHistory,
  registerLogs,
  registerUncordon,
  registerRelease,
  registerRemove,
  registerRecover,
  registerBackup,
  registerHelper,
  registerSudoers,
  registerRbac,
  registerWorker,
  registerReplay,
  registerCodecServer,
  registerDev,
];

/** The whole command line. Usage errors are thrown as CommanderError instead of ending the process. */
export function buildProgram(context: CliContext): Command {
  const program = new Command('ospatch')
    .description('Keeps the operating system of cluster nodes at the latest patch version, node by node, over SSH.')
    .version(packageVersion())
    .exitOverride()
    .configureOutput({
      writeOut: (text) => context.stdout.write(text),
      writeErr: (text) => context.stderr.write(plainLines(shortenArgument(text))),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .addHelpText('after', '\nExit codes: 0 success, 1 failure, 2 usage or invalid spec, 130 after Ctrl-C.');
  addGlobalOptions(program);
  for (const register of COMMANDS) register(program, context);
  refuseRepeatedOptions(program);
  for (const command of program.commands) showHelp(command, 'ospatch');
  return program.showHelpAfterError('  fix: ospatch --help shows what is allowed');
}

/** Usage errors of a command, and of the commands below it, name its own help. */
function showHelp(command: Command, parent: string): void {
  const name = `${parent} ${command.name()}`;
  command.showHelpAfterError(`  fix: ${name} --help shows what is allowed`);
  for (const child of command.commands) showHelp(child, name);
}

/** An invalid value of an option is quoted in the error, however long it is. */
function shortenArgument(text: string): string {
  return text.replace(/^(error: option '.*?' argument '.{100}).*(' is invalid\.)/s, '$1…$2');
}
