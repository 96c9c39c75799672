import type { Command } from 'commander';
import { clusterArgument, reasonOption } from '../options/arguments';
import type { CliContext } from '../io/context';
import { outputOption, print, printJson } from '../io/output';
import type { OutputFormat } from '../io/output';
import { runWithClient } from '../options/session';
import { defined } from '../../domain/shared/defined';

const EXAMPLES = `
Examples:
  ospatch pause prod-eu --reason "release freeze until Monday"`;

export function registerPause(program: Command, context: CliContext): void {
  program
    .command('pause')
    .description('let nodes in flight finish and start nothing more until resume')
    .addArgument(clusterArgument())
    .addOption(reasonOption())
    .addOption(outputOption())
    .addHelpText('after', EXAMPLES)
    .action((cluster: string, { reason, output }: { reason?: string; output: OutputFormat }, command: Command) =>
      runWithClient(context, command, async (client) => {
        const answer = await client.pause(cluster, defined({ reason }));
        if (output === 'json') printJson(context, { cluster, ...answer });
        else if (answer.changed) print(context, `${cluster} is paused; continue with: ospatch resume ${cluster}`);
        else print(context, `${cluster} was paused already; see: ospatch status ${cluster}`);
      }),
    );
}
