import type { Command } from 'commander';
import type { PauseAnswer } from '../../domain/cluster/messages';
import { clusterArgument, reasonOption } from '../options/arguments';
import type { CliContext } from '../io/context';
import { outputOption, print, printJson } from '../io/output';
import type { OutputFormat } from '../io/output';
import { runWithClient } from '../options/session';
import { defined } from '../../domain/shared/defined';

const EXAMPLES = `
Examples:
  ospatch resume prod-eu`;

export function registerResume(program: Command, context: CliContext): void {
  program
    .command('resume')
    .description('end a pause; a suspended run continues')
    .addArgument(clusterArgument())
    .addOption(reasonOption())
    .addOption(outputOption())
    .addHelpText('after', EXAMPLES)
    .action((cluster: string, { reason, output }: { reason?: string; output: OutputFormat }, command: Command) =>
      runWithClient(context, command, async (client) => {
        const answer = await client.resume(cluster, defined({ reason }));
        if (output === 'json') printJson(context, { cluster, ...answer });
        else print(context, describeResumed(cluster, answer));
      }),
    );
}

/** What a resume has changed. */
export function describeResumed(cluster: string, { changed }: Pick<PauseAnswer, 'changed'>): string {
  return changed ? `${cluster} is resumed` : `${cluster} was not paused`;
}
