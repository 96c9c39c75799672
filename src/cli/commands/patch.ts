import type { Command } from 'commander';
import type { ClusterClient } from '../../client/cluster-client';
import type { PatchNowAnswer } from '../../domain/cluster/messages';
import { clusterArgument, nodesOption, reasonOption, selectorOption } from '../options/arguments';
import { amountOption } from '../options/amount';
import { momentOption } from '../options/moment';
import type { CliContext } from '../io/context';
import { outputOption, print, printJson, printNote } from '../io/output';
import type { OutputFormat } from '../io/output';
import { runWithClient } from '../options/session';
import type { Amount } from '../../domain/spec/types';

const MAX_ANSWER = 1_000;

const EXAMPLES = `
Examples:
  ospatch patch prod-eu
  ospatch patch prod-eu --nodes w-1,w-2 --reason "CVE-2027-1234" --wait
  ospatch patch prod-eu -l tier=web --concurrency 10% --deadline 2h
  ospatch patch prod-eu --ignore-window --reason "incident 4711"
  ospatch patch prod-eu --wait -o json

Where the schedule has windows with a duration, a run starts in the next window unless --ignore-window is given.
With --wait the exit code is 1 when a node failed or was not tried, or the run was cancelled; a reboot that is pending
is no failure. Ctrl-C detaches, with exit code 130, and leaves the run alone.`;

interface PatchOptions {
  nodes?: string[];
  selector?: string;
  notBefore?: string;
  deadline?: string;
  ignoreWindow?: boolean;
  ignoreAlerts?: boolean;
  concurrency?: Amount;
  reason?: string;
  wait?: boolean;
  output: OutputFormat;
}

export function registerPatch(program: Command, context: CliContext): void {
  program
    .command('patch')
    .description('patch a cluster now, or some of its nodes')
    .addArgument(clusterArgument())
    .addOption(nodesOption())
    .addOption(selectorOption())
    .addOption(momentOption(context, '--not-before <time>', 'when the run starts at the earliest'))
    .addOption(momentOption(context, '--deadline <time>', 'when the run ends at the latest, as at the end of a window'))
    .option('--ignore-window', 'start at once, outside of maintenance windows and during blackouts')
    .option('--ignore-alerts', 'start nodes whatever alerts fire (alerts.block)')
    .addOption(amountOption('--concurrency <n>', 'nodes that are patched at the same time', 1))
    .addOption(reasonOption())
    .option('--wait', 'follow the run to its end')
    .addOption(outputOption())
    .addHelpText('after', EXAMPLES)
    .action((cluster: string, options: PatchOptions, command: Command) =>
      runWithClient(context, command, (client) => patch(context, client, cluster, options)),
    );
}

async function patch(
  context: CliContext,
  client: ClusterClient,
  cluster: string,
  options: PatchOptions,
): Promise<void> {
  const { wait = false, output, ...message } = options;
  const before = wait ? await client.status(cluster) : null;
  const answer = await client.patch(cluster, message);
  const isJson = output === 'json';
  const { uiLinks } = await import('../io/ui-link.js');
  const ui = uiLinks(context, client)(cluster);
  if (!isJson) {
    const { oneLine } = await import('../render/text.js');
    print(context, oneLine(describeAnswer(cluster, answer), MAX_ANSWER));
    if (!wait) printNote(context, `follow: ospatch status ${cluster} --watch`);
    if (ui !== null) printNote(context, `Temporal UI: ${ui}`);
  }
  if (before === null) {
    if (isJson) printJson(context, { cluster, ...answer, ui });
    return;
  }
  const { waitForRun } = await import('../wait.js');
  const { end, result } = await waitForRun(context, client, answer, { cluster, before, toStderr: isJson });
  if (isJson) printJson(context, { cluster, ...answer, ui, end, summary: result });
}

function describeAnswer(cluster: string, { run, started, after, waitsFor, startsAt }: PatchNowAnswer): string {
  if (started) return `run ${run} of ${cluster} started`;
  const conditions = [
    ...(after === null ? [] : [`after run ${after}`]),
    ...(startsAt === undefined ? [] : [`at ${startsAt}`]),
  ];
  const when = conditions.length === 0 ? 'later' : conditions.join(', ');
  return `run ${run} of ${cluster} will start ${when}${waitsFor === undefined ? '' : `: it waits for ${waitsFor}`}`;
}
