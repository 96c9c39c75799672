import { Argument } from 'commander';
import type { Command } from 'commander';
import type { ClusterBackup } from '../../client/recovery';
import type { ClusterClient } from '../../client/cluster-client';
import type { ErrorInfo } from '../../domain/shared/errors';
import { isOspatchError } from '../../domain/shared/errors';
import { asSentence } from '../../domain/shared/text';
import type { CliContext } from '../io/context';
import { colors, outputOption, print, printJson, printNote } from '../io/output';
import type { OutputFormat } from '../io/output';
import { runWithClient } from '../options/session';

const EXAMPLES = `
Examples:
  ospatch backup /var/backups/ospatch
  ospatch recover prod-eu --from /var/backups/ospatch/prod-eu.json

One file for each cluster, NAME.json, readable by you alone; an older one is replaced. The files are not encrypted. Needs
no worker. A cluster that cannot be read does not stop the others; the exit code is 1 then.`;

export function registerBackup(program: Command, context: CliContext): void {
  program
    .command('backup')
    .description('write the state of every cluster to files, from which `ospatch recover` restarts it')
    .addArgument(new Argument('[dir]', 'directory to write to; created if missing').default('.'))
    .addOption(outputOption())
    .addHelpText('after', EXAMPLES)
    .action((dir: string, { output }: { output: OutputFormat }, command: Command) =>
      runWithClient(context, command, (client) => backUp(context, client, dir, output)),
    );
}

async function backUp(context: CliContext, client: ClusterClient, dir: string, output: OutputFormat): Promise<void> {
  const { resolve } = await import('node:path');
  const { prepareDirectory } = await import('../io/private-file.js');
  const { oneLine } = await import('../render/text.js');
  const target = resolve(context.cwd, dir);
  await prepareDirectory(target);
  const done: { cluster: string; file: string | null; error: ErrorInfo | null }[] = [];
  for await (const { cluster, ...one } of client.backUp()) {
    const outcome = 'error' in one ? one : await write(target, cluster, one.backup);
    if (outcome.error !== null) {
      context.setExitCode(1);
      const color = colors(context, 'stderr');
      printNote(
        context,
        `${color.red('error:')} ${oneLine(cluster)}: ${asSentence(oneLine(outcome.error.message, 600))}`,
      );
    }
    done.push({ cluster, file: 'file' in outcome ? outcome.file : null, error: outcome.error });
  }
  if (output === 'json') return printJson(context, { clusters: done });
  const written = done.filter(({ file }) => file !== null).length;
  print(context, `${written} of ${done.length} clusters backed up to ${target}`);
}

/** A file that cannot be written must not stop the others. */
async function write(
  directory: string,
  cluster: string,
  backup: ClusterBackup,
): Promise<{ file: string; error: null } | { error: ErrorInfo }> {
  const { writePrivateFile } = await import('../io/private-file.js');
  try {
    const file = await writePrivateFile(directory, `${cluster}.json`, `${JSON.stringify(backup, null, 1)}\n`);
    return { file, error: null };
  } catch (error) {
    if (!isOspatchError(error)) throw error;
    return { error: error.toInfo() };
  }
}
