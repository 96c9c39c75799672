import type { Command } from 'commander';
import type { ClusterClient, LogNews } from '../../client/cluster-client';
import { clusterArgument, nodeArgument, runOption } from '../options/arguments';
import type { CliContext } from '../io/context';
import { EXIT_INTERRUPTED, orInterrupted, pause, untilInterrupted } from '../io/interrupt';
import { outputOption, print, printJson, printJsonLine, printNote } from '../io/output';
import type { OutputFormat } from '../io/output';
import { runWithClient } from '../options/session';
import { describeCutLog, describeNews, describeNoLog } from '../render/node-log';

const READ_EVERY_MS = 2_000;

const EXAMPLES = `
Examples:
  ospatch logs prod-eu w-1
  ospatch logs prod-eu w-1 --follow
  ospatch logs prod-eu w-1 --run 7 | less

--follow waits for the turn of the node in the run in progress, and ends with the patch; Ctrl-C ends it earlier, the patch
goes on. With it, -o json prints a document a line, each with the lines that were added.`;

interface LogsOptions {
  follow?: boolean;
  run?: number;
  output: OutputFormat;
}

export function registerLogs(program: Command, context: CliContext): void {
  program
    .command('logs')
    .description('print the log of the newest patch of a node, read from the node through a worker')
    .addArgument(clusterArgument())
    .addArgument(nodeArgument())
    .option('-f, --follow', 'go on with new lines until the patch in progress has ended')
    .addOption(runOption('of this run instead of the newest'))
    .addOption(outputOption())
    .addHelpText('after', EXAMPLES)
    .action((cluster: string, node: string, options: LogsOptions, command: Command) =>
      runWithClient(context, command, (client) =>
        options.follow === true
          ? follow(context, client, { ...options, cluster, node })
          : show(context, client, { ...options, cluster, node }),
      ),
    );
}

type Request = Omit<LogsOptions, 'follow'> & { cluster: string; node: string };

async function show(
  context: CliContext,
  client: ClusterClient,
  { cluster, node, run, output }: Request,
): Promise<void> {
  const { log, truncated } = await client.nodeLog(cluster, node, run);
  const { plainLines } = await import('../../domain/shared/text.js');
  const text = plainLines(log);
  if (output === 'json') return printJson(context, { cluster, node, run: run ?? null, log: text, truncated });
  if (text === '') return printNote(context, describeNoLog(node));
  print(context, text);
  if (truncated) printNote(context, describeCutLog(node));
}

async function follow(context: CliContext, client: ClusterClient, request: Request): Promise<void> {
  const { plainLines } = await import('../../domain/shared/text.js');
  const { cluster, node, run, output } = request;
  let lines = 0;
  const tell = (news: LogNews): void => {
    if (news.kind !== 'lines') return printNote(context, describeNews(news, { cluster, node, run, lines }));
    const text = plainLines(news.text).trimEnd();
    if (text !== '') lines += 1;
    if (output === 'json')
      return printJsonLine(context, { cluster, node, run: run ?? null, log: text, truncated: news.isGap });
    if (news.isGap) printNote(context, describeCutLog(node));
    if (text !== '') print(context, text);
  };
  await untilInterrupted(async (signal) => {
    const between = async (): Promise<boolean> => {
      await pause(READ_EVERY_MS, signal);
      return !signal.aborted;
    };
    const news = client.followNodeLog(cluster, node, { run, pause: between });
    for (;;) {
      const next = await orInterrupted(news.next(), signal);
      if (next === undefined || signal.aborted) return context.setExitCode(EXIT_INTERRUPTED);
      if (next.done === true) return;
      tell(next.value);
    }
  });
}
