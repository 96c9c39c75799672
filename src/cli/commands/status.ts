import type { Command } from 'commander';
import type { ClusterClient } from '../../client/cluster-client';
import type { LiveStatus } from '../../client/live-status';
import { clusterArgument } from '../options/arguments';
import type { CliContext } from '../io/context';
import { runCommand } from '../io/errors';
import { colors, outputOption, print, printJson, printNote } from '../io/output';
import type { OutputFormat } from '../io/output';
import { globalOptions } from '../options/global-options';
import type { WatchOptions } from '../watch';
import { withClient } from '../options/session';
import type { ServerOptions } from '../interactive/commands';

const EXAMPLES = `
Examples:
  ospatch status prod-eu
  ospatch status prod-eu --all
  ospatch status prod-eu --watch
  ospatch status prod-eu --watch -o json | jq -r .explanation
  ospatch status prod-eu -o json | jq '.nodes[] | {name, patchedVersion, lastAppliedPatchTime}'

On a terminal --watch takes keys: arrows choose a node, Enter shows it, ? lists the others. What they change can be done with
commands too, which are shown, and printed at the end. In a pipe --watch prints the present state, then a line per change; with
-o json a document on a line of its own, at once and after each change.

Of a cluster with more than 25 nodes, the table lists those in work and those that failed, are lost, locked, skipped, not tried
or wait for a reboot or a restart, up to 10 of each; --all lists every node. JSON always has all of them.

Times are in your time zone (set TZ for another one); JSON has ISO 8601.`;

interface StatusOptions {
  watch?: boolean;
  all?: boolean;
  output: OutputFormat;
}

export function registerStatus(program: Command, context: CliContext): void {
  program
    .command('status')
    .description('show what a cluster is doing, and the state of every node')
    .addArgument(clusterArgument())
    .option('--watch', 'refresh until Ctrl-C or until the cluster is removed')
    .option('--all', 'list every node of a large cluster, also those that nobody has to look at')
    .addOption(outputOption())
    .addHelpText('after', EXAMPLES)
    .action((cluster: string, options: StatusOptions, command: Command) =>
      runCommand(context, () => {
        return withClient(command, (client) =>
          showStatus(context, client, cluster, { ...options, where: globalOptions(command) }),
        );
      }),
    );
}

async function showStatus(
  context: CliContext,
  client: ClusterClient,
  cluster: string,
  { watch = false, all = false, output, where }: StatusOptions & { where: ServerOptions },
): Promise<void> {
  const { renderStatus } = await import('../render/status.js');
  const { ownZone } = await import('../render/text.js');
  const describe = (status: LiveStatus): string =>
    renderStatus(status, status.explanation, { now: context.now(), zone: ownZone(), color: colors(context), all });
  if (watch) {
    const orders = { client, cluster, where };
    return watchStatus(context, client, { cluster, orders, describe, asJson: output === 'json' });
  }
  const status = await client.statusAmongClusters(cluster);
  if (output === 'json') printJson(context, status);
  else print(context, describe(status));
}

async function watchStatus(
  context: CliContext,
  client: ClusterClient,
  options: Omit<WatchOptions, 'until'>,
): Promise<void> {
  const { cluster } = options;
  const { watchCluster } = await import('../watch.js');
  const { end, status } = await watchCluster(context, client, { ...options, until: () => false });
  if (end === 'removed') return printNote(context, `the cluster ${cluster} was removed`);
  if (end === 'detached') {
    const { EXIT_INTERRUPTED } = await import('../io/interrupt.js');
    context.setExitCode(EXIT_INTERRUPTED);
  }
  if (status?.run)
    printNote(context, `detached: run ${status.run.number} of ${cluster} continues. Cancel: ospatch cancel ${cluster}`);
}
