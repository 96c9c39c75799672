import type { Command } from 'commander';
import type { CliContext } from '../io/context';
import { runCommand } from '../io/errors';
import { outputOption } from '../io/output';
import type { OutputFormat } from '../io/output';
import { fileOption } from '../options/spec-source';

const EXAMPLES = `
Examples:
  ospatch diff -f prod-eu.yaml
  ospatch get prod-eu | ospatch diff -f -

The exit code is 0 with and without differences; a script reads .clusters[].result of -o json.`;

export function registerDiff(program: Command, context: CliContext): void {
  program
    .command('diff')
    .description('show what apply would change; changes nothing')
    .addOption(fileOption())
    .addOption(outputOption())
    .addHelpText('after', EXAMPLES)
    .action(({ file, output }: { file: string; output: OutputFormat }, command: Command) =>
      runCommand(context, async () => {
        const { applySpecs } = await import('./apply/apply.js');
        await applySpecs(context, command, { file, output, dryRun: true, discardHistory: false, wait: false });
      }),
    );
}
