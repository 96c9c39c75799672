import { Argument } from 'commander';
import type { Command } from 'commander';
import type { ClusterClient } from '../../client/cluster-client';
import type { LiveStatus } from '../../client/live-status';
import { NODE_STATES } from '../../domain/node/status';
import { defined } from '../../domain/shared/defined';
import { OspatchError } from '../../domain/shared/errors';
import { show } from '../../domain/spec/issues';
import { CLUSTER_STATES, parseClusterName, selectorOption } from '../options/arguments';
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
  ospatch status prod-eu --state failed -l zone=a
  ospatch status -A --problems
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
  allClusters?: boolean;
  problems?: boolean;
  state?: string;
  selector?: string;
  output: OutputFormat;
}

export function registerStatus(program: Command, context: CliContext): void {
  program
    .command('status')
    .description('show what a cluster is doing, and the state of every node')
    .addArgument(new Argument('[name]', 'name of the cluster').argParser(parseClusterName))
    .option('-A, --all-clusters', 'one sentence for each cluster of the namespace, the worst first')
    .option('--problems', 'with -A: only clusters that need somebody')
    .option('--state <state>', 'only nodes in this state, or with -A only clusters')
    .addOption(selectorOption())
    .option('-w, --watch', 'refresh until q, Ctrl-C, or until the cluster is removed')
    .option('--all', 'list every node of a large cluster, also those that nobody has to look at')
    .addOption(outputOption())
    .addHelpText('after', EXAMPLES)
    .action((cluster: string | undefined, options: StatusOptions, command: Command) =>
      runCommand(context, () => {
        const what = statusRequest(cluster, options);
        return withClient(command, (client) =>
          what.cluster === null
            ? showFleet(context, client, options)
            : showStatus(context, client, what.cluster, { ...options, where: globalOptions(command) }),
        );
      }),
    );
}

/** @throws OspatchError `Usage` */
function statusRequest(cluster: string | undefined, options: StatusOptions): { cluster: string | null } {
  const { allClusters = false, watch = false, problems = false, all = false, state, selector } = options;
  if (allClusters) {
    if (cluster !== undefined) throw usage('-A shows all clusters, so it takes no name');
    if (watch) throw usage('--watch follows one cluster; with -A, repeat the command');
    if (all || selector !== undefined) throw usage(`-A shows no nodes, so it takes no ${all ? '--all' : '--selector'}`);
    assertOneOf(state, CLUSTER_STATES);
    return { cluster: null };
  }
  if (cluster === undefined) throw usage('status takes the name of a cluster, or -A for all of them');
  if (problems) throw usage('--problems chooses clusters, so it needs -A');
  if (watch && (state !== undefined || selector !== undefined))
    throw usage('--watch shows all nodes, so it takes neither --state nor --selector');
  assertOneOf(state, NODE_STATES);
  return { cluster };
}

function assertOneOf(state: string | undefined, allowed: readonly string[]): void {
  if (state === undefined || allowed.includes(state)) return;
  throw usage(`--state is ${show(state)}; allowed: ${allowed.join(', ')}`);
}

function usage(message: string): OspatchError {
  return new OspatchError({ type: 'Usage', message, remedy: 'ospatch status --help' });
}

async function showFleet(
  context: CliContext,
  client: ClusterClient,
  { problems = false, state, output }: StatusOptions,
): Promise<void> {
  const all = await client.fleet();
  const fleet = all
    .filter(({ severity }) => !problems || severity === 'error' || severity === 'warning')
    .filter((one) => state === undefined || one.state === state);
  if (output === 'json') return printJson(context, fleet);
  if (all.length === 0) return printNote(context, 'no clusters yet; create one with: ospatch apply -f FILE');
  if (fleet.length === 0)
    return printNote(context, state === undefined ? 'no cluster needs anybody' : `no such cluster is ${state}`);
  const { renderFleet } = await import('../render/fleet.js');
  const { ownZone } = await import('../render/text.js');
  print(context, renderFleet(fleet, { now: context.now(), zone: ownZone(), color: colors(context) }));
}

async function showStatus(
  context: CliContext,
  client: ClusterClient,
  cluster: string,
  { watch = false, all = false, state, selector, output, where }: StatusOptions & { where: ServerOptions },
): Promise<void> {
  const { renderStatus } = await import('../render/status.js');
  const { ownZone } = await import('../render/text.js');
  const describe = (status: LiveStatus): string =>
    renderStatus(status, status.explanation, {
      ...{ now: context.now(), zone: ownZone(), color: colors(context) },
      ...{ all, isWatched: watch },
    });
  if (watch) {
    const orders = { client, cluster, where };
    return watchStatus(context, client, { cluster, orders, describe, asJson: output === 'json' });
  }
  const whole = await client.statusAmongClusters(cluster);
  const { chosenNodes } = await import('../../client/chosen-nodes.js');
  const nodes = await chosenNodes(client, whole, defined({ state, selector }));
  const status = { ...whole, nodes };
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
    printNote(
      context,
      `detached: run ${status.run.number} of ${cluster} continues\n  cancel: ospatch cancel ${cluster}`,
    );
}
