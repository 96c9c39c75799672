import type { Command } from 'commander';
import { clusterArgument, reasonOption } from '../options/arguments';
import type { CancelRunAnswer } from '../../domain/cluster/messages';
import type { CliContext } from '../io/context';
import { outputOption, print, printJson } from '../io/output';
import type { OutputFormat } from '../io/output';
import { runWithClient } from '../options/session';
import { defined } from '../../domain/shared/defined';

const EXAMPLES = `
Examples:
  ospatch cancel prod-eu --reason "wrong cluster"`;

export function registerCancel(program: Command, context: CliContext): void {
  program
    .command('cancel')
    .description('cancel the run in progress; a started package transaction or AWS update is completed')
    .addArgument(clusterArgument())
    .addOption(reasonOption())
    .addOption(outputOption())
    .addHelpText('after', EXAMPLES)
    .action((cluster: string, { reason, output }: { reason?: string; output: OutputFormat }, command: Command) =>
      runWithClient(context, command, async (client) => {
        const answer = await client.cancelRun(cluster, defined({ reason }));
        if (output === 'json') printJson(context, { cluster, ...answer });
        else print(context, describeCancel(cluster, answer));
      }),
    );
}

function describeCancel(cluster: string, { run, followUp, alsoQueued = [], setAside }: CancelRunAnswer): string {
  const queued = [...(followUp === null ? [] : [followUp]), ...alsoQueued];
  const also = queued.map((one) => `; queued run ${one} is cancelled too`).join('');
  const aside = setAside === undefined ? '' : `; run ${setAside}, which was set aside for run ${run}, is cancelled too`;
  return `run ${run} of ${cluster} is being cancelled${also}${aside}; follow: ospatch status ${cluster} --watch`;
}
