import type { Command } from 'commander';
import type { ClusterClient } from '../../client/cluster-client';
import type { StuckCluster } from '../../domain/inspection/stuck';
import { OspatchError } from '../../domain/shared/errors';
import { clusterArgument, reasonOption } from '../options/arguments';
import type { CliContext } from '../io/context';
import { outputOption, print, printJson, printNote } from '../io/output';
import type { OutputFormat } from '../io/output';
import { runWithClient } from '../options/session';
import { defined } from '../../domain/shared/defined';

const EXAMPLES = `
Examples:
  ospatch remove prod-eu
  ospatch remove prod-eu --yes --reason "moved to another region"

Nodes stay as they are; a run in progress is cancelled first. Applying the spec again starts with an empty history. For a
cluster whose workflow has ended otherwise, the data in Temporal is deleted, and no worker is needed.`;

interface RemoveOptions {
  yes?: boolean;
  reason?: string;
  output: OutputFormat;
}

export function registerRemove(program: Command, context: CliContext): void {
  program
    .command('remove')
    .description('stop managing a cluster')
    .addArgument(clusterArgument())
    .option('--yes', 'do not ask for confirmation')
    .addOption(reasonOption())
    .addOption(outputOption())
    .addHelpText('after', EXAMPLES)
    .action((cluster: string, options: RemoveOptions, command: Command) =>
      runWithClient(context, command, (client) => remove(context, client, cluster, options)),
    );
}

async function remove(
  context: CliContext,
  client: ClusterClient,
  cluster: string,
  options: RemoveOptions,
): Promise<void> {
  const { EXIT_INTERRUPTED, orInterrupted, untilInterrupted } = await import('../io/interrupt.js');
  const { yes = false, reason, output } = options;
  const health = await client.health(cluster);
  if (health.state === 'stuck' && health.stuck.kind === 'ended') {
    return clear(context, client, health.stuck, options);
  }
  if (!yes) {
    const { nodes } = await client.status(cluster);
    const question = `stop managing cluster ${cluster} with ${nodes.length} nodes and discard its history?`;
    if (!(await confirmed(context, cluster, question))) return;
  }
  const { run } = await client.remove(cluster, defined({ reason }));
  if (run !== null) {
    printNote(
      context,
      `run ${run} of ${cluster} is being cancelled first; a started package transaction is completed ...`,
    );
  }
  const ended = await untilInterrupted((signal) =>
    orInterrupted(
      client.untilRemoved(cluster).then(() => true),
      signal,
    ),
  );
  if (ended === undefined) {
    context.setExitCode(EXIT_INTERRUPTED);
    printNote(context, `detached: the removal of ${cluster} continues. Follow: ospatch status ${cluster} --watch`);
  }
  if (output === 'json') return printJson(context, { cluster, removed: ended === true, cancelledRun: run });
  if (ended === true) print(context, `${cluster} removed`);
}

/** No workflow is running that could end the cluster, so its data in Temporal is deleted. */
async function clear(
  context: CliContext,
  client: ClusterClient,
  { cluster, message, neverBegan = false }: StuckCluster,
  { yes = false, output }: RemoveOptions,
): Promise<void> {
  printNote(context, neverBegan ? message : `${message}; to keep what the cluster knew: ospatch recover ${cluster}`);
  const question = `delete what Temporal keeps of cluster ${cluster}, with its history?`;
  if (!yes && !(await confirmed(context, cluster, question))) return;
  const { done, finishing } = await client.clearEnded(cluster);
  if (!done)
    printNote(context, `Temporal has accepted the deletion, and may show ${cluster} until the deletion is complete`);
  if (finishing > 0) {
    const workflows =
      finishing === 1 ? '1 workflow of its last run continues' : `${finishing} workflows of its last run continue`;
    printNote(context, `${workflows} until the nodes in progress are finished`);
  }
  if (output === 'json') return printJson(context, { cluster, removed: true, cancelledRun: null });
  print(context, `${cluster} removed`);
}

async function confirmed(context: CliContext, cluster: string, question: string): Promise<boolean> {
  const { canAsk, confirm } = await import('../io/confirm.js');
  if (!canAsk(context)) throw needsYes(cluster);
  if (await confirm(context, question)) return true;
  context.setExitCode(1);
  printNote(context, 'nothing was removed');
  return false;
}

function needsYes(cluster: string): OspatchError {
  return new OspatchError({
    type: 'Usage',
    message: `removing ${cluster} has to be confirmed, and there is no terminal to confirm on`,
    remedy: `ospatch remove ${cluster} --yes`,
  });
}
