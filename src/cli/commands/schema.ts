import type { Command } from 'commander';
import type { CliContext } from '../io/context';
import { runCommand } from '../io/errors';
import { printJson } from '../io/output';

const EXAMPLES = `
Examples:
  ospatch schema > ospatch.schema.json
  # In an editor with YAML language support, as the first line of a spec:
  # yaml-language-server: $schema=./ospatch.schema.json`;

export function registerSchema(program: Command, context: CliContext): void {
  program
    .command('schema')
    .description('print the JSON Schema of specs, for editors and other tools')
    .addHelpText('after', EXAMPLES)
    .action(() =>
      runCommand(context, async () => {
        const { specJsonSchema } = await import('../../domain/spec/json-schema.js');
        printJson(context, specJsonSchema());
      }),
    );
}
