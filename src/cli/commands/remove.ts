import type { Command } from 'commander';
import type { ClusterClient } from '../../client/cluster-client';
import { OspatchError } from '../../domain/shared/errors';
import { clusterArgument, reasonOption } from '../options/arguments';
import type { CliContext } from '../io/context';
import { outputOption, print, printJson, printNote } from '../io/output';
import type { OutputFormat } from '../io/output';
import { runWithClient } from '../options/session';

const EXAMPLES = `
Examples:
  ospatch remove prod-eu
  ospatch remove prod-eu --yes --reason "moved to another region"

Nodes stay as they are; a run in progress is cancelled first. Applying the spec again starts with an empty history.`;

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
    .option('--yes', 'do not ask')
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
  const { canAsk, confirm } = await import('../io/confirm.js');
  const { orInterrupted, untilInterrupted } = await import('../io/interrupt.js');
  const { yes = false, reason, output } = options;
  if (!yes) {
    const { nodes } = await client.status(cluster);
    if (!canAsk(context)) throw needsYes(cluster);
    const question = `stop managing cluster ${cluster} with ${nodes.length} nodes and forget its history?`;
    if (!(await confirm(context, question))) {
      context.setExitCode(1);
      return printNote(context, 'nothing was removed');
    }
  }
  const { run } = await client.remove(cluster, reason === undefined ? {} : { reason });
  if (run !== null) {
    printNote(
      context,
      `run ${run} of ${cluster} is being cancelled first; a package transaction that has begun is finished ...`,
    );
  }
  const ended = await untilInterrupted((signal) =>
    orInterrupted(
      client.untilRemoved(cluster).then(() => true),
      signal,
    ),
  );
  if (ended === undefined)
    printNote(context, `detached: the removal of ${cluster} goes on. Follow: ospatch status ${cluster} --watch`);
  if (output === 'json') return printJson(context, { cluster, removed: ended === true, cancelledRun: run });
  if (ended === true) print(context, `${cluster} removed`);
}

function needsYes(cluster: string): OspatchError {
  return new OspatchError({
    type: 'Usage',
    message: `removing ${cluster} has to be confirmed, and there is no terminal to confirm on`,
    remedy: `ospatch remove ${cluster} --yes`,
  });
}
