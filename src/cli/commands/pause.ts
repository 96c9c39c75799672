import { senderText } from '../../domain/shared/verification';
import type { Command } from 'commander';
import type { PauseAnswer } from '../../domain/cluster/messages';
import { clusterArgument, reasonOption } from '../options/arguments';
import type { CliContext } from '../io/context';
import { outputOption, print, printJson } from '../io/output';
import type { OutputFormat } from '../io/output';
import { oneLine } from '../render/text';
import { runWithClient } from '../options/session';
import { defined } from '../../domain/shared/defined';

const EXAMPLES = `
Examples:
  ospatch pause prod-eu --reason "release freeze until Monday"`;

export function registerPause(program: Command, context: CliContext): void {
  program
    .command('pause')
    .description('finish the nodes in progress and start no others until resume')
    .addArgument(clusterArgument())
    .addOption(reasonOption())
    .addOption(outputOption())
    .addHelpText('after', EXAMPLES)
    .action((cluster: string, { reason, output }: { reason?: string; output: OutputFormat }, command: Command) =>
      runWithClient(context, command, async (client) => {
        const answer = await client.pause(cluster, defined({ reason }));
        if (output === 'json') printJson(context, { cluster, ...answer });
        else print(context, describePaused(cluster, answer));
      }),
    );
}

/** What a pause has changed. */
export function describePaused(cluster: string, { changed, newReason, pause }: PauseAnswer): string {
  if (changed) return `${cluster} is paused; continue with: ospatch resume ${cluster}`;
  const see = `see: ospatch status ${cluster}`;
  if (newReason === true) return `${cluster} was paused already; the reason is now: ${oneLine(pause?.reason)}; ${see}`;
  const reason = pause === null || pause.reason === null ? '' : ` (${oneLine(pause.reason)})`;
  const by = pause === null ? '' : `, by ${oneLine(senderText(pause))}${reason}`;
  return `${cluster} was paused already${by}; ${see}`;
}
