import type { Command } from 'commander';
import { clusterArgument, runOption } from '../options/arguments';
import type { CliContext } from '../io/context';
import { colors, outputOption, print, printJson } from '../io/output';
import type { OutputFormat } from '../io/output';
import { runWithClient } from '../options/session';

const EXAMPLES = `
Examples:
  ospatch history prod-eu
  ospatch history prod-eu --run 7
  ospatch history prod-eu --run 7 -o json | jq '.nodes[].record.changes'`;

export function registerHistory(program: Command, context: CliContext): void {
  program
    .command('history')
    .description('show the last runs and windows, or one run node by node')
    .addArgument(clusterArgument())
    .addOption(runOption('this run, with packages, versions and steps of every node'))
    .addOption(outputOption())
    .addHelpText('after', EXAMPLES)
    .action((cluster: string, { run, output }: { run?: number; output: OutputFormat }, command: Command) =>
      runWithClient(context, command, async (client) => {
        const color = colors(context);
        if (run === undefined) {
          const history = await client.history(cluster);
          if (output === 'json') return printJson(context, history);
          const { renderHistory } = await import('../render/history.js');
          return print(context, renderHistory(cluster, history, color));
        }
        const report = await client.run(cluster, run);
        if (output === 'json') return printJson(context, report);
        const { renderRun } = await import('../render/run.js');
        print(context, renderRun(cluster, report, color));
      }),
    );
}
