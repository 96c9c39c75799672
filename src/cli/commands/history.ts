import type { Command } from 'commander';
import type { ClusterClient } from '../../client/cluster-client';
import { KEPT_EVENTS } from '../../domain/cluster/events';
import type { ClusterHistory } from '../../domain/cluster/messages';
import { KEPT_RUNS } from '../../domain/cluster/messages';
import { clusterArgument, runOption } from '../options/arguments';
import type { CliContext } from '../io/context';
import { runCommand } from '../io/errors';
import { colors, outputOption, print, printJson, printNote } from '../io/output';
import type { OutputFormat } from '../io/output';
import { orOfRemoved } from '../io/removed';
import { withClient } from '../options/session';
import { parseSince, sinceOption } from '../options/since';

const EXAMPLES = `
Examples:
  ospatch history prod-eu
  ospatch history prod-eu --since 7d
  ospatch history prod-eu --run 7
  ospatch history prod-eu --run 7 -o json | jq '.nodes[].record.changes'`;

interface HistoryOptions {
  since?: string;
  run?: number;
  output: OutputFormat;
}

export function registerHistory(program: Command, context: CliContext): void {
  program
    .command('history')
    .description('show the last runs and windows, or one run node by node')
    .addArgument(clusterArgument())
    .addOption(sinceOption('runs that ended, windows that began and requests').conflicts(['run']))
    .addOption(runOption('this run, with packages, versions and steps of every node'))
    .addOption(outputOption())
    .addHelpText('after', EXAMPLES)
    .action((cluster: string, options: HistoryOptions, command: Command) =>
      runCommand(context, async () => {
        const since = await parseSince(options.since, context.now());
        return withClient(command, (client) => showHistory(context, client, cluster, { ...options, since }));
      }),
    );
}

async function showHistory(
  context: CliContext,
  client: ClusterClient,
  cluster: string,
  { run, output, since }: Omit<HistoryOptions, 'since'> & { since: number | null },
): Promise<void> {
  const color = colors(context);
  if (run === undefined) {
    const { value: all } = await orOfRemoved(
      context,
      cluster,
      () => client.history(cluster),
      () => client.historyOfRemoved(cluster),
    );
    const { historySince, renderHistory } = await import('../render/history.js');
    const history = since === null ? all : historySince(all, since);
    if (since !== null && mayBeMore(history, since)) printNote(context, MORE);
    if (output === 'json') return printJson(context, history);
    return print(context, renderHistory(cluster, history, color, { since }));
  }
  const report = await client.run(cluster, run);
  if (output === 'json') return printJson(context, report);
  const { renderRun } = await import('../render/run.js');
  print(context, renderRun(cluster, report, color));
}

const MORE = 'there may have been more since then: a cluster keeps its last runs, windows and requests';

/** Whether the oldest of what is kept is so young that something older, which is not kept, may be wanted too. */
function mayBeMore({ createdAt, runs, requests }: ClusterHistory, since: number): boolean {
  return Date.parse(createdAt) < since && (runs.length >= KEPT_RUNS || requests.length >= KEPT_EVENTS.actions);
}
