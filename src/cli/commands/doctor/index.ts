import type { Command } from 'commander';
import { OspatchError } from '../../../domain/shared/errors';
import type { CliContext } from '../../io/context';
import { runCommand } from '../../io/errors';
import { colors, outputOption, print, printJson } from '../../io/output';
import type { OutputFormat } from '../../io/output';
import { nameOrFilesArgument, nameOrSources, optionalFileOption } from '../../options/spec-source';

const EXAMPLES = `
Examples:
  ospatch doctor
  ospatch doctor -f prod-eu.yaml
  ospatch doctor prod-eu
  ospatch doctor -f clusters/ -o json | jq '.clusters[].nodes[] | select(.verdict == "error")'

Without a cluster only the installation is checked, and which clusters are stuck. Changes nothing, except that with \`ssh.helper: auto\` the helper is installed on nodes that lack it, which is reported.
The exit code is 1 when something would stop a run, and 0 when there are warnings only.`;

interface DoctorOptions {
  output: OutputFormat;
}

export function registerDoctor(program: Command, context: CliContext): void {
  program
    .command('doctor')
    .description('find what would stop a run, with its remedy: Temporal, workers, the spec, and every node')
    .addArgument(nameOrFilesArgument('name of a cluster that is applied; or give -f'))
    .addOption(optionalFileOption())
    .addOption(outputOption())
    .addHelpText('after', EXAMPLES)
    .action((args: string[], options: DoctorOptions, command: Command) =>
      runCommand(context, () => doctor(context, command, args, options)),
    );
}

async function doctor(
  context: CliContext,
  command: Command,
  args: readonly string[],
  { output }: DoctorOptions,
): Promise<void> {
  const { name: cluster, file } = nameOrSources(command, args);
  const { diagnoseApplied, diagnoseFile, diagnoseInstallation } = await import('./diagnose.js');
  if (cluster !== undefined && file !== undefined) throw twoSources(cluster, file[0] ?? '');
  const report =
    file !== undefined
      ? await diagnoseFile(context, command, file)
      : cluster !== undefined
        ? await diagnoseApplied(context, command, cluster)
        : await diagnoseInstallation(command);
  // Before any output: a reader that closes the pipe ends the process.
  context.setExitCode(report.verdict === 'error' ? 1 : 0);
  if (output === 'json') return printJson(context, report);
  const { renderDoctor } = await import('../../render/doctor.js');
  print(context, renderDoctor(report, colors(context)));
}

function twoSources(cluster: string, file: string): OspatchError {
  return new OspatchError({
    type: 'Usage',
    message: `found both ${JSON.stringify(cluster)} and -f ${JSON.stringify(file)}; allowed: one of them`,
    remedy: 'for example: ospatch doctor -f prod-eu.yaml',
  });
}
