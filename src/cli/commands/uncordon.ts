import type { Command } from 'commander';
import { clusterArgument, nodeArgument, reasonOption } from '../options/arguments';
import { defined } from '../../domain/shared/defined';
import type { CliContext } from '../io/context';
import { outputOption, print, printJson } from '../io/output';
import type { OutputFormat } from '../io/output';
import { runWithClient } from '../options/session';

const EXAMPLES = `
Examples:
  ospatch uncordon prod-eu w-1

For a node that a run has left cordoned, which \`ospatch doctor\` reports. Cordons of others are kept, and a run that
is working on the node uncordons it itself.`;

interface UncordonOptions {
  reason?: string;
  output: OutputFormat;
}

export function registerUncordon(program: Command, context: CliContext): void {
  program
    .command('uncordon')
    .description('uncordon a Kubernetes node that a run of ospatch has left cordoned')
    .addArgument(clusterArgument())
    .addArgument(nodeArgument())
    .addOption(reasonOption())
    .addOption(outputOption())
    .addHelpText('after', EXAMPLES)
    .action((cluster: string, node: string, { reason, output }: UncordonOptions, command: Command) =>
      runWithClient(context, command, async (client) => {
        const uncordoned = await client.uncordon(cluster, node, defined({ reason }));
        if (output === 'json') return printJson(context, { cluster, node, uncordoned });
        print(context, uncordoned ? `${node} is uncordoned` : `nothing to do: ospatch has no cordon on ${node}`);
      }),
    );
}
