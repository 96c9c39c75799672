import type { Command } from 'commander';
import type { CliContext } from '../io/context';
import { colors, outputOption, print, printJson, printNote } from '../io/output';
import type { OutputFormat } from '../io/output';
import { clusterStateOption } from '../options/arguments';
import { runWithClient } from '../options/session';

const EXAMPLES = `
Examples:
  ospatch list
  ospatch list --problems
  ospatch list --state paused
  ospatch list -o json | jq -r '.[].cluster'

A cluster that is stuck, ended or encrypted is a row that says so. The exit code is 0 whatever the clusters need, and 1 when
they could not be listed.`;

const NO_PROBLEMS = 'no cluster needs anybody, as far as the list knows; ospatch status -A asks each cluster';

interface ListOptions {
  output: OutputFormat;
  problems?: boolean;
  state?: string;
}

export function registerList(program: Command, context: CliContext): void {
  program
    .command('list')
    .description('list all clusters of the namespace; needs no worker')
    .option('--problems', 'only clusters that need somebody: stuck, failed, not ready, paused, a reboot pending')
    .addOption(clusterStateOption())
    .addOption(outputOption())
    .addHelpText('after', EXAMPLES)
    .action(({ output, problems = false, state }: ListOptions, command: Command) =>
      runWithClient(context, command, async (client) => {
        const all = await client.list();
        const clusters = all
          .filter((one) => !problems || one.problems.length > 0)
          .filter((one) => state === undefined || one.state === state);
        if (output === 'json') return printJson(context, clusters);
        if (clusters.length === 0 && all.length > 0)
          return printNote(context, state === undefined ? NO_PROBLEMS : `no such cluster is ${state}`);
        if (clusters.length === 0) return printNote(context, 'no clusters yet; create one with: ospatch apply -f FILE');
        const { renderList } = await import('../render/list.js');
        print(context, renderList(clusters, colors(context)));
      }),
    );
}
