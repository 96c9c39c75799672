import type { Command } from 'commander';
import { clusterArgument } from '../options/arguments';
import type { EksInspection } from '../../domain/eks/node-groups';
import type { CliContext } from '../io/context';
import { colors, outputOption, print, printJson } from '../io/output';
import type { OutputFormat } from '../io/output';
import { runWithClient } from '../options/session';

const EXAMPLES = `
Examples:
  ospatch check prod-eu
  ospatch check prod-eu -o json | jq '.[] | select(.verdict == "error")'

With \`kubernetes\` in the spec, the table also shows what a drain of each node would meet. Changes nothing, except that
with \`ssh.helper: auto\` the helper is installed on nodes that lack it. The exit code is 1 when a node or node group cannot
be patched.`;

export function registerCheck(program: Command, context: CliContext): void {
  program
    .command('check')
    .description(
      'inspect every node through a worker: reachable, login, sudo, OS, pending packages, reboot required, drain',
    )
    .addArgument(clusterArgument())
    .addOption(outputOption())
    .addHelpText('after', EXAMPLES)
    .action((cluster: string, { output }: { output: OutputFormat }, command: Command) =>
      runWithClient(context, command, async (client) => {
        const inspected = await client.check(cluster);
        if (!Array.isArray(inspected)) return printNodeGroups(context, inspected, output);
        if (inspected.some(({ verdict }) => verdict === 'error')) context.setExitCode(1);
        if (output === 'json') return printJson(context, inspected);
        const { renderChecks } = await import('../render/checks.js');
        print(context, renderChecks(inspected, colors(context)));
      }),
    );
}

async function printNodeGroups(context: CliContext, found: EksInspection, output: OutputFormat): Promise<void> {
  const { checkExitCode, renderNodeGroups } = await import('../render/node-groups.js');
  if (checkExitCode(found) !== 0) context.setExitCode(1);
  if (output === 'json') return printJson(context, found);
  print(context, renderNodeGroups(found, colors(context)));
}
