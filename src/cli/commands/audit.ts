import { resolve } from 'node:path';
import type { Command } from 'commander';
import { clusterArgument } from '../options/arguments';
import { globalOptions } from '../options/global-options';
import { withClient } from '../options/session';
import type { CliContext } from '../io/context';
import { runCommand } from '../io/errors';
import type { OutputFormat } from '../io/output';
import { colors, outputOption, print, printJson } from '../io/output';

const EXAMPLES = `
Examples:
  ospatch audit verify prod-eu --signers allowed_signers
  temporal workflow show -w cluster/prod-eu -o json > prod-eu.json
  ospatch audit verify prod-eu --signers allowed_signers --file prod-eu.json
  ospatch audit verify prod-eu --signers allowed_signers -o json | jq '.requests[] | select(.verdict == "verified")'

Each message to the cluster is shown with who signed it and whether it was admitted. A signature that does not hold, and a
message or an answer that was changed or left out, give the exit code 1. Without --file the histories come from Temporal,
as far back as it keeps them; with --file nothing is contacted. Encrypted histories need OSPATCH_ENCRYPTION_KEYS.`;

interface AuditCommand {
  signers: string;
  file?: string[];
  output: OutputFormat;
}

export function registerAudit(program: Command, context: CliContext): void {
  const audit = program
    .command('audit')
    .description('verify what the history of a cluster says about its requests')
    .addHelpText('after', EXAMPLES);
  audit
    .command('verify')
    .description('verify the signatures of all requests, and that none was changed or left out')
    .addArgument(clusterArgument())
    .requiredOption('--signers <file>', 'public keys of persons, in the format of allowed_signers')
    .option('--file <history...>', 'histories in files (as of `temporal workflow show -o json`), oldest first')
    .addOption(outputOption())
    .addHelpText('after', EXAMPLES)
    .action((cluster: string, options: AuditCommand, command: Command) =>
      runCommand(context, () => verify(context, cluster, options, command)),
    );
}

async function verify(
  context: CliContext,
  cluster: string,
  { signers, file, output }: AuditCommand,
  command: Command,
): Promise<void> {
  const list = resolve(context.cwd, signers);
  const report =
    file === undefined
      ? await withClient(command, (client) => client.audit(cluster, list))
      : await (
          await import('../../client/audit-sources.js')
        ).auditFiles(
          file.map((one) => resolve(context.cwd, one)),
          { cluster, signers: list, where: globalOptions(command), env: context.env },
        );
  const isSound = report.problems.length === 0 && report.requests.every(({ verdict }) => verdict !== 'invalid');
  if (!isSound) context.setExitCode(1);
  if (output === 'json') return printJson(context, report);
  const { renderAudit } = await import('../render/audit.js');
  print(context, renderAudit(report, isSound, colors(context)));
}
