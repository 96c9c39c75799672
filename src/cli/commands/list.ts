import type { Command } from 'commander';
import type { CliContext } from '../io/context';
import { colors, outputOption, print, printJson, printNote } from '../io/output';
import type { OutputFormat } from '../io/output';
import { runWithClient } from '../options/session';

const EXAMPLES = `
Examples:
  ospatch list
  ospatch list --failed
  ospatch list -o json | jq -r '.[].cluster'`;

const NONE_FAILED = 'no cluster is stuck, and none has a failed node or a failed last run';

export function registerList(program: Command, context: CliContext): void {
  program
    .command('list')
    .description('list all clusters of the namespace; needs no worker')
    .option('--failed', 'only clusters that are stuck, or whose last run or any node has failed')
    .addOption(outputOption())
    .addHelpText('after', EXAMPLES)
    .action(({ output, failed = false }: { output: OutputFormat; failed?: boolean }, command: Command) =>
      runWithClient(context, command, async (client) => {
        const all = await client.list();
        const { hasFailed } = await import('../../client/cluster-list.js');
        const clusters = failed ? all.filter(hasFailed) : all;
        if (output === 'json') return printJson(context, clusters);
        if (failed && clusters.length === 0 && all.length > 0) return printNote(context, NONE_FAILED);
        if (clusters.length === 0) return printNote(context, 'no clusters yet; create one with: ospatch apply -f FILE');
        const { renderList } = await import('../render/list.js');
        print(context, renderList(clusters, colors(context)));
      }),
    );
}
