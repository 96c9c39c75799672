import type { Command } from 'commander';
import { clusterArgument } from '../options/arguments';
import type { CliContext } from '../io/context';
import { documentOption, print, printJson } from '../io/output';
import { runWithClient } from '../options/session';

const EXAMPLES = `
Examples:
  ospatch get prod-eu
  ospatch get prod-eu > prod-eu.yaml      # edit, then: ospatch apply -f prod-eu.yaml
  ospatch get prod-eu -o json
  ospatch get prod-eu -o jsonpath='{.nodes[*].host}'`;

export function registerGet(program: Command, context: CliContext): void {
  program
    .command('get')
    .description('print the spec in force, ready to be applied again')
    .addArgument(clusterArgument())
    .addOption(documentOption())
    .addHelpText('after', EXAMPLES)
    .action((cluster: string, { output }: { output: 'yaml' | 'json' }, command: Command) =>
      runWithClient(context, command, async (client) => {
        const spec = await client.spec(cluster);
        if (output === 'json') return printJson(context, spec);
        const { renderSpecYaml } = await import('../../client/load/yaml.js');
        print(context, renderSpecYaml(spec));
      }),
    );
}
