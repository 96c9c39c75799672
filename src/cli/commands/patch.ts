import type { Command } from 'commander';
import type { ClusterClient } from '../../client/cluster-client';
import type { PatchNowAnswer } from '../../domain/cluster/messages';
import { clusterArgument, nodesOption, reasonOption } from '../options/arguments';
import type { CliContext } from '../io/context';
import { outputOption, print, printJson } from '../io/output';
import type { OutputFormat } from '../io/output';
import { runWithClient } from '../options/session';
import { defined } from '../../domain/shared/defined';

const EXAMPLES = `
Examples:
  ospatch patch prod-eu
  ospatch patch prod-eu --nodes w-1,w-2 --reason "CVE-2027-1234" --wait
  ospatch patch prod-eu --wait -o json

With --wait the exit code is 1 when a node failed or was not tried, or the run was cancelled; a reboot that is pending
is no failure. Ctrl-C detaches, with exit code 130, and leaves the run alone.`;

interface PatchOptions {
  nodes?: string[];
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
  const { nodes, reason, wait = false, output } = options;
  const before = wait ? await client.status(cluster) : null;
  const answer = await client.patch(cluster, {
    ...defined({ nodes, reason }),
  });
  const isJson = output === 'json';
  if (!isJson) print(context, describeAnswer(cluster, answer));
  if (before === null) {
    if (isJson) printJson(context, { cluster, ...answer });
    return;
  }
  const { waitForRun } = await import('../wait.js');
  const { end, result } = await waitForRun(context, client, answer.run, { cluster, before, toStderr: isJson });
  if (isJson) printJson(context, { cluster, ...answer, end, summary: result });
}

function describeAnswer(cluster: string, { run, started, after }: PatchNowAnswer): string {
  return started || after === null
    ? `run ${run} of ${cluster} started`
    : `run ${run} of ${cluster} will start after run ${after}`;
}
