import { Command } from 'commander';
import { packageVersion } from '../version';
import type { CliContext } from './io/context';
import { chooseFormat } from './io/output-format';
import { addGlobalOptions } from './options/global-options';
import { refuseRepeatedOptions } from './options/repeated';
import { fitHelp } from './usage/help';
import { explainUsageErrors } from './usage/errors';
import { registerApply } from './commands/apply';
import { registerAudit } from './commands/audit';
import { registerBackup } from './commands/backup';
import { registerCalendar } from './commands/calendar';
import { registerCancel } from './commands/cancel';
import { registerCheck } from './commands/check';
import { registerCodecServer } from './commands/codec-server';
import { registerCompletion } from './commands/completion';
import { registerDev } from './commands/dev';
import { registerDiff } from './commands/diff';
import { registerDoctor } from './commands/doctor';
import { registerEnroll } from './commands/enroll';
import { registerEvents } from './commands/events';
import { registerExplain } from './commands/explain';
import { registerExporter } from './commands/exporter';
import { registerGet } from './commands/get';
import { registerHelper } from './commands/helper';
import { registerHistory } from './commands/history';
import { registerInit } from './commands/init';
import { registerList } from './commands/list';
import { registerLogs } from './commands/logs';
import { registerNext } from './commands/next';
import { registerNotify } from './commands/notify';
import { registerPatch } from './commands/patch';
import { registerPause } from './commands/pause';
import { registerPlan } from './commands/plan';
import { registerPolicy } from './commands/policy/index';
import { registerRbac } from './commands/rbac';
import { registerRecover } from './commands/recover';
import { registerRelease } from './commands/release';
import { registerRemove } from './commands/remove/index';
import { registerReplay } from './commands/replay';
import { registerResume } from './commands/resume';
import { registerSchema } from './commands/schema';
import { registerSteering } from './commands/steer';
import { registerStatus } from './commands/status';
import { registerSudoers } from './commands/sudoers';
import { registerUncordon } from './commands/uncordon';
import { registerValidate } from './commands/validate';
import { registerVersion } from './commands/version';
import { registerWorker } from './commands/worker';

type RegisterCommand = (program: Command, context: CliContext) => void;

/**
 * In the order of `ospatch --help`. Command files import heavy modules only when the command runs, so that help is
 * instant.
 */
const COMMANDS: readonly RegisterCommand[] = [
  registerInit,
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
  registerNotify,
  registerUncordon,
  registerRelease,
  registerRemove,
  registerRecover,
  registerBackup,
  registerHelper,
  registerSudoers,
  registerRbac,
  registerPolicy,
  registerWorker,
  registerExporter,
  registerAudit,
  registerReplay,
  registerCodecServer,
  registerDev,
  registerCompletion,
  registerVersion,
];

/** The whole command line. Usage errors are thrown as `OspatchError` instead of ending the process. */
export function buildProgram(context: CliContext): Command {
  const program = new Command('ospatch')
    .description('Keeps the operating system of cluster nodes at the latest patch version, node by node, over SSH.')
    .version(packageVersion())
    .configureOutput({
      writeErr: (text) => context.stderr.write(text),
      // Printed as every other error, with a remedy.
      outputError: () => undefined,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .addHelpText('after', '\nExit codes: 0 success, 1 failure, 2 usage or invalid spec, 130 after Ctrl-C.');
  fitHelp(program, context);
  addGlobalOptions(program);
  for (const register of COMMANDS) register(program, context);
  program.hook('preAction', (_, command) => chooseFormat(context, command));
  refuseRepeatedOptions(program);
  explainUsageErrors(program);
  return program;
}
