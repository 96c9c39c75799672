import type { Command } from 'commander';
import type { CliContext } from '../context';
import { runCommand } from '../errors';
import { outputOption } from '../output';
import type { OutputFormat } from '../output';
import { fileOption } from '../spec-source';

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
        const { applySpecs } = require('../apply-specs') as typeof import('../apply-specs');
        await applySpecs(context, command, { file, output, isPlan: true, wait: false });
      }),
    );
}
