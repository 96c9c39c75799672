import type { Command } from 'commander';
import { sourcesInCommand } from '../../../client/load/sources';
import { defined } from '../../../domain/shared/defined';
import { OspatchError } from '../../../domain/shared/errors';
import { reasonOption } from '../../options/arguments';
import type { CliContext } from '../../io/context';
import { runCommand } from '../../io/errors';
import { outputOption, print, printJson, printNote } from '../../io/output';
import type { OutputFormat } from '../../io/output';
import { withClient } from '../../options/session';
import { nameOrFilesArgument, nameOrSources, optionalFileOption, requireSpecs } from '../../options/spec-source';
import type { SpecSources } from '../../options/spec-source';

const EXAMPLES = `
Examples:
  ospatch remove prod-eu
  ospatch remove prod-eu --yes --reason "moved to another region"
  ospatch remove -f clusters/old/

Nodes stay as they are; a run in progress is cancelled first. Applying the spec again starts with an empty history. For a
cluster whose workflow has ended otherwise, the data in Temporal is deleted, and no worker is needed. With -f the clusters
of all specs are removed, after they were named; one that does not exist does not stop the others (exit code 1).`;

interface RemoveOptions {
  yes?: boolean;
  reason?: string;
  output: OutputFormat;
}

export function registerRemove(program: Command, context: CliContext): void {
  program
    .command('remove')
    .description('stop managing a cluster, or those of spec files')
    .addArgument(nameOrFilesArgument('name of the cluster'))
    .addOption(optionalFileOption())
    .option('--yes', 'do not ask for confirmation')
    .addOption(reasonOption())
    .addOption(outputOption())
    .addHelpText('after', EXAMPLES)
    .action((args: string[], options: RemoveOptions, command: Command) =>
      runCommand(context, () => remove(context, command, args, options)),
    );
}

async function remove(
  context: CliContext,
  command: Command,
  args: readonly string[],
  options: RemoveOptions,
): Promise<void> {
  const { name, file } = nameOrSources(command, args);
  if (name !== undefined && file === undefined) return removeNamed(context, command, name, options);
  if (name === undefined && file !== undefined) return removeFiles(context, command, file, options);
  throw new OspatchError({
    type: 'Usage',
    message: `found ${name === undefined ? 'neither a name nor -f' : 'a name and -f'}; allowed: the name of a cluster, or -f with specs`,
    remedy: 'ospatch remove NAME, or ospatch remove -f FILE',
  });
}

async function removeNamed(
  context: CliContext,
  command: Command,
  cluster: string,
  { yes = false, reason, output }: RemoveOptions,
): Promise<void> {
  const { candidateOf } = await import('./candidates.js');
  const { mayRemove, noteEnded, removeCluster } = await import('./remove.js');
  await withClient(command, async (client) => {
    const candidate = await candidateOf(client, cluster, !yes);
    noteEnded(context, [candidate]);
    if (!yes && !(await mayRemove(context, [candidate], `ospatch remove ${cluster}`))) return declined(context);
    const isJson = output === 'json';
    const { removed, cancelledRun } = await removeCluster(context, client, candidate, {
      isJson,
      ...defined({ reason }),
    });
    if (isJson) printJson(context, { cluster, removed, cancelledRun });
  });
}

async function removeFiles(
  context: CliContext,
  command: Command,
  file: SpecSources,
  { yes = false, reason, output }: RemoveOptions,
): Promise<void> {
  // Neither host keys nor times matter to a removal.
  const { specs } = await requireSpecs(context, file, { requireHostKeys: false, isNew: false });
  const { findCandidates } = await import('./candidates.js');
  const { mayRemove, noteEnded, removeClusters } = await import('./remove.js');
  await withClient(command, async (client) => {
    const names = specs.map((spec) => spec.name);
    const candidates = await findCandidates(client, names, !yes);
    const usable = candidates.filter(({ state }) => state !== 'unusable');
    noteEnded(context, usable);
    const call = `ospatch remove -f ${sourcesInCommand(file)}`;
    if (!yes && usable.length > 0 && !(await mayRemove(context, usable, call))) return declined(context);
    const isJson = output === 'json';
    const removed = await removeClusters(context, client, candidates, { isJson, ...defined({ reason }) });
    if (isJson) return printJson(context, { clusters: removed });
    if (removed.length > 1)
      print(context, `${removed.filter((one) => one.removed).length} of ${removed.length} clusters removed`);
  });
}

function declined(context: CliContext): void {
  printNote(context, 'nothing was removed');
}
