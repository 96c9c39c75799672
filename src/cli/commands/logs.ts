import type { Command } from 'commander';
import { clusterArgument, nodeArgument, runOption } from '../options/arguments';
import type { CliContext } from '../io/context';
import { outputOption, print, printJson, printNote } from '../io/output';
import type { OutputFormat } from '../io/output';
import { runWithClient } from '../options/session';
import { describeCutLog, describeNoLog } from '../render/node-log';

const EXAMPLES = `
Examples:
  ospatch logs prod-eu w-1
  ospatch logs prod-eu w-1 --run 7 | less`;

export function registerLogs(program: Command, context: CliContext): void {
  program
    .command('logs')
    .description('print the log of the newest patch of a node, read from the node through a worker')
    .addArgument(clusterArgument())
    .addArgument(nodeArgument())
    .addOption(runOption('of this run instead of the newest'))
    .addOption(outputOption())
    .addHelpText('after', EXAMPLES)
    .action(
      (cluster: string, node: string, { run, output }: { run?: number; output: OutputFormat }, command: Command) =>
        runWithClient(context, command, async (client) => {
          const { log, truncated } = await client.nodeLog(cluster, node, run);
          const { plainLines } = await import('../../domain/shared/text.js');
          const text = plainLines(log);
          if (output === 'json') return printJson(context, { cluster, node, run: run ?? null, log: text, truncated });
          if (text === '') return printNote(context, describeNoLog(node));
          print(context, text);
          if (truncated) printNote(context, describeCutLog(node));
        }),
    );
}
