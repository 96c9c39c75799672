import type { Command } from 'commander';
import { clusterArgument, nodeArgument, reasonOption } from '../options/arguments';
import type { CliContext } from '../io/context';
import { outputOption, print, printJson } from '../io/output';
import type { OutputFormat } from '../io/output';
import { runWithClient } from '../options/session';
import { defined } from '../../domain/shared/defined';

const EXAMPLES = `
Examples:
  ospatch release prod-eu w-1 --reason "its disk is dead"

Nothing is stopped on the node. A node whose state is unknown then stays cordoned, and its patch has failed.`;

export function registerRelease(program: Command, context: CliContext): void {
  program
    .command('release')
    .description(
      'stop waiting for an unreachable node, for a job that never ends, or for an API server that does not come back',
    )
    .addArgument(clusterArgument())
    .addArgument(nodeArgument())
    .addOption(reasonOption())
    .addOption(outputOption())
    .addHelpText('after', EXAMPLES)
    .action(
      (
        cluster: string,
        node: string,
        { reason, output }: { reason?: string; output: OutputFormat },
        command: Command,
      ) =>
        runWithClient(context, command, async (client) => {
          const { step } = await client.release(cluster, node, defined({ reason }));
          if (output === 'json') return printJson(context, { cluster, node, step });
          print(context, `the wait for ${node} has ended (step ${step})`);
        }),
    );
}
