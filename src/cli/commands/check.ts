import type { Command } from 'commander';
import { clusterArgument } from '../options/arguments';
import type { EksExamination } from '../../domain/eks/node-groups';
import type { CliContext } from '../io/context';
import { colors, outputOption, print, printJson } from '../io/output';
import type { OutputFormat } from '../io/output';
import { runWithClient } from '../options/session';

const EXAMPLES = `
Examples:
  ospatch check prod-eu
  ospatch check prod-eu -o json | jq '.[] | select(.ok | not)'

With \`kubernetes\` in the spec it also says what a drain of each node would meet. Reads, changes nothing. The exit code
is 1 when a node or node group cannot be used or drained.`;

export function registerCheck(program: Command, context: CliContext): void {
  program
    .command('check')
    .description(
      'look at every node through a worker: reachable, login, sudo, OS, pending packages, reboot required, drain',
    )
    .addArgument(clusterArgument())
    .addOption(outputOption())
    .addHelpText('after', EXAMPLES)
    .action((cluster: string, { output }: { output: OutputFormat }, command: Command) =>
      runWithClient(context, command, async (client) => {
        const checks = await client.check(cluster);
        if (!Array.isArray(checks)) return tellNodeGroups(context, checks, output);
        const { canBeDrained, renderChecks } = require('../render/checks') as typeof import('../render/checks');
        if (!checks.every((check) => check.ok && canBeDrained(check))) context.setExitCode(1);
        if (output === 'json') return printJson(context, checks);
        print(context, renderChecks(checks, colors(context)));
      }),
    );
}

function tellNodeGroups(context: CliContext, found: EksExamination, output: OutputFormat): void {
  const { checkExitCode, renderNodeGroups } =
    require('../render/node-groups') as typeof import('../render/node-groups');
  if (checkExitCode(found) !== 0) context.setExitCode(1);
  if (output === 'json') return printJson(context, found);
  print(context, renderNodeGroups(found, colors(context)));
}
