import type { Command } from 'commander';
import type { CliContext } from '../io/context';
import { colors, outputOption, print, printJson, printNote } from '../io/output';
import type { OutputFormat } from '../io/output';
import { runWithClient } from '../options/session';

const EXAMPLES = `
Examples:
  ospatch list
  ospatch list -o json | jq -r '.[].cluster'`;

export function registerList(program: Command, context: CliContext): void {
  program
    .command('list')
    .description('list all clusters of the namespace; needs no worker')
    .addOption(outputOption())
    .addHelpText('after', EXAMPLES)
    .action(({ output }: { output: OutputFormat }, command: Command) =>
      runWithClient(context, command, async (client) => {
        const clusters = await client.list();
        if (output === 'json') return printJson(context, clusters);
        if (clusters.length === 0) return printNote(context, 'no clusters yet; create one with: ospatch apply -f FILE');
        const { renderList } = await import('../render/list.js');
        print(context, renderList(clusters, colors(context)));
      }),
    );
}
