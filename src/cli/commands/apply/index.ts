import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import { defined } from '../../../domain/shared/defined';
import { OspatchError } from '../../../domain/shared/errors';
import type { CliContext } from '../../io/context';
import { runCommand } from '../../io/errors';
import { outputOption } from '../../io/output';
import type { OutputFormat } from '../../io/output';
import { reasonOption } from '../../options/arguments';
import { fileOption, moreFilesArgument, specSources } from '../../options/spec-source';

const EXAMPLES = `
Examples:
  ospatch apply -f prod-eu.yaml
  ospatch apply -f clusters/ --dry-run
  ospatch apply -f clusters/*.yaml
  ospatch apply -f prod-eu.yaml --wait --reason "change 4711"
  ospatch apply -f clusters/ --prune team-a- --dry-run
  cat prod-eu.yaml | ospatch apply -f - -o json

All specs are checked first; when one is not valid nothing is applied and the exit code is 2. A cluster that cannot be
applied does not stop the others; the exit code is 1 then, and nothing is pruned. With --wait the exit code is also 1 when the boot patch of
a node failed. A cluster does not record from which files its spec came, so --prune needs the beginning that the names of all
clusters of these files have, and refuses specs of others; it names what it removes and asks first.`;

interface ApplyOptions {
  dryRun?: boolean;
  discardHistory?: boolean;
  wait?: boolean;
  prune?: string;
  pruneAll?: boolean;
  yes?: boolean;
  reason?: string;
  output: OutputFormat;
}

export function registerApply(program: Command, context: CliContext): void {
  program
    .command('apply')
    .description('create clusters or put changed specs into force at once')
    .addArgument(moreFilesArgument())
    .addOption(fileOption())
    .option('--dry-run', 'show what would change without changing anything')
    .option('--discard-history', 'recreate a cluster whose workflow ended without `ospatch remove`')
    .option('--wait', 'follow the boot patch of the nodes that joined')
    .addOption(
      new Option('--prune <prefix>', 'remove clusters whose names begin so and that no spec names').argParser(
        parsePrefix,
      ),
    )
    .addOption(
      new Option('--prune-all', 'remove every cluster of the namespace that no spec names').conflicts(['prune']),
    )
    .option('--yes', 'do not ask before clusters are removed')
    .addOption(reasonOption())
    .addOption(outputOption())
    .addHelpText('after', EXAMPLES)
    .action((files: string[], options: ApplyOptions, command: Command) =>
      runCommand(context, async () => {
        const { dryRun = false, discardHistory = false, wait = false, output } = options;
        const { prune: prefix = null, pruneAll = false, yes = false } = options;
        const pruneScope = prefix !== null || pruneAll ? { prefix, yes } : undefined;
        if (dryRun && wait) {
          throw new OspatchError({
            type: 'Usage',
            message: '--dry-run and --wait exclude each other: a dry run starts nothing to wait for',
            remedy: 'leave one of them out',
          });
        }
        const file = await specSources(context, command, files);
        const { applySpecs } = await import('./apply.js');
        await applySpecs(context, command, {
          ...{ file, output, dryRun, discardHistory, wait },
          ...defined({ pruneScope, reason: options.reason }),
        });
      }),
    );
}

function parsePrefix(text: string): string {
  if (/^[a-z0-9][a-z0-9-]{0,62}$/.test(text)) return text;
  throw new InvalidArgumentError('Allowed: the beginning of names of clusters, e.g. team-a-.');
}
