import type { Command } from 'commander';
import { clusterArgument, nodeArgument } from '../options/arguments';
import type { CliContext } from '../io/context';
import { colors, outputOption, print, printJson } from '../io/output';
import type { OutputFormat } from '../io/output';
import { runWithClient } from '../options/session';

const EXAMPLES = `
Examples:
  ospatch explain prod-eu
  ospatch explain prod-eu w-7
  ospatch explain prod-eu w-7 -o json | jq -r '.[] | [.kind, .because, .change[0]] | @tsv'

One sentence for each thing that does not happen, what weighs most first: why, since when, until when, and what changes it.`;

export function registerExplain(program: Command, context: CliContext): void {
  program
    .command('explain')
    .description('say why a cluster, its run or a node is not being patched, and what changes that')
    .addArgument(clusterArgument())
    .addArgument(nodeArgument('[node]'))
    .addOption(outputOption())
    .addHelpText('after', EXAMPLES)
    .action((cluster: string, node: string | undefined, { output }: { output: OutputFormat }, command: Command) =>
      runWithClient(context, command, async (client) => {
        if (output === 'json') return printJson(context, await client.explain(cluster, node));
        const { renderExplanations } = await import('../render/explain.js');
        const { formatTime, ownZone } = await import('../render/text.js');
        const zone = ownZone();
        const found = await client.explain(cluster, node, (iso) => formatTime(iso, zone));
        const view = { now: context.now(), zone, color: colors(context) };
        print(context, renderExplanations(found, view));
      }),
    );
}
