import type { Command } from 'commander';
import type { ClusterClient, ClusterListItem } from '../../client/cluster-client';
import type { OspatchError } from '../../domain/shared/errors';
import type { CliContext } from '../io/context';
import { runCommand, usualRemedy } from '../io/errors';
import { colors, outputOption, print, printJson, printNote } from '../io/output';
import type { OutputFormat } from '../io/output';
import { clusterStateOption } from '../options/arguments';
import { withClient } from '../options/session';
import { parseSince, sinceOption } from '../options/since';

const EXAMPLES = `
Examples:
  ospatch list
  ospatch list --problems
  ospatch list --state paused
  ospatch list --since 7d
  ospatch list -o json | jq -r '.[].cluster'

A cluster that is stuck, ended or encrypted is a row that says so. The exit code is 0 whatever the clusters need, and 1 when
they could not be listed.`;

const NO_PROBLEMS = 'no cluster needs anybody, as far as the list knows; ospatch status -A asks each cluster';

interface ListOptions {
  output: OutputFormat;
  problems?: boolean;
  state?: string;
  since?: string;
}

export function registerList(program: Command, context: CliContext): void {
  program
    .command('list')
    .description('list all clusters of the namespace; needs no worker')
    .option('--problems', 'only clusters that need somebody: stuck, failed, not ready, paused, a reboot pending')
    .addOption(clusterStateOption())
    .addOption(sinceOption('clusters with a run in progress or one that ended'))
    .addOption(outputOption())
    .addHelpText('after', EXAMPLES)
    .action((options: ListOptions, command: Command) =>
      runCommand(context, async () => {
        const since = await parseSince(options.since, context.now());
        return withClient(command, (client) => showList(context, client, { ...options, since }));
      }),
    );
}

async function showList(
  context: CliContext,
  client: ClusterClient,
  { output, problems = false, state, since }: Omit<ListOptions, 'since'> & { since: number | null },
): Promise<void> {
  const all = await client.list();
  const clusters = all
    .filter((one) => !problems || one.problems.length > 0)
    .filter((one) => state === undefined || one.state === state)
    .filter((one) => since === null || hadRunSince(one, since));
  if (output === 'json') return printJson(context, clusters);
  if (clusters.length === 0 && all.length > 0) {
    if (since !== null) return printNote(context, 'no such cluster has had a run since then');
    return printNote(context, state === undefined ? NO_PROBLEMS : `no such cluster is ${state}`);
  }
  if (clusters.length === 0) return printNote(context, 'no clusters yet; create one with: ospatch apply -f FILE');
  const { renderList } = await import('../render/list.js');
  print(context, renderList(clusters, colors(context)));
  // The list needs no worker, and is complete when nobody can be asked for them.
  const missing = await client.missingWorker().catch(() => null);
  if (missing !== null) printNote(context, stale(missing));
}

function stale({ type, message, remedy = usualRemedy(type) }: OspatchError): string {
  return `warning: the list shows what was recorded last: ${message}; fix: ${remedy}`;
}

/** A run in progress counts, and so does a cluster of which that cannot be read. */
function hadRunSince({ inRun, lastRunAt, state }: ClusterListItem, since: number): boolean {
  return inRun || state === 'encrypted' || (lastRunAt !== null && Date.parse(lastRunAt) >= since);
}
