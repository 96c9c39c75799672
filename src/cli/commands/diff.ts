import type { Command } from 'commander';
import type { CliContext } from '../io/context';
import { runCommand } from '../io/errors';
import { outputOption } from '../io/output';
import type { OutputFormat } from '../io/output';
import { fileOption, moreFilesArgument, specSources } from '../options/spec-source';

const EXAMPLES = `
Examples:
  ospatch diff -f prod-eu.yaml
  ospatch get prod-eu | ospatch diff -f -
  ospatch diff -f clusters/ --exit-code

The exit code is 0 with and without differences, unless --exit-code is given: then it is 0 without a difference, 3 with
one, and 1 or 2 after an error, as without the option. A script may also read .clusters[].result of -o json.`;

/** Neither 1 nor 2, which a failure and a mistake have in every command. */
const EXIT_DIFFERENT = 3;

interface DiffOptions {
  exitCode?: boolean;
  output: OutputFormat;
}

export function registerDiff(program: Command, context: CliContext): void {
  program
    .command('diff')
    .description('show what apply would change; changes nothing')
    .addArgument(moreFilesArgument())
    .addOption(fileOption())
    .option('--exit-code', `exit with ${EXIT_DIFFERENT} when apply would change something`)
    .addOption(outputOption())
    .addHelpText('after', EXAMPLES)
    .action((files: string[], { output, exitCode = false }: DiffOptions, command: Command) =>
      runCommand(context, async () => {
        const file = await specSources(context, command, files);
        const { applySpecs } = await import('./apply/apply.js');
        const { isDifferent, hasFailed } = await applySpecs(context, command, {
          ...{ file, output, dryRun: true, discardHistory: false, wait: false },
        });
        if (exitCode && isDifferent && !hasFailed) context.setExitCode(EXIT_DIFFERENT);
      }),
    );
}
