import type { Command } from 'commander';
import type { LoadedCluster } from '../../client/load/spec';
import type { describeSchedule } from '../../domain/schedule/describe';
import type { ClusterSpec } from '../../domain/spec/types';
import type { CliContext } from '../io/context';
import { reportError, runCommand } from '../io/errors';
import { outputOption, print, printJson } from '../io/output';
import type { OutputFormat } from '../io/output';
import {
  fileOption,
  invalidSpec,
  loadSource,
  moreFilesArgument,
  printProblems,
  specSources,
} from '../options/spec-source';
import type { SpecSources } from '../options/spec-source';

const EXAMPLES = `
Examples:
  ospatch validate -f prod-eu.yaml
  ospatch validate -f clusters/*.yaml
  ospatch validate -f clusters/ -o json`;

export function registerValidate(program: Command, context: CliContext): void {
  program
    .command('validate')
    .description('check specs, without any server: all problems at once, each with its location')
    .addArgument(moreFilesArgument())
    .addOption(fileOption())
    .addOption(outputOption())
    .addHelpText('after', EXAMPLES)
    .action((files: string[], { output }: { output: OutputFormat }, command: Command) =>
      runCommand(context, async () => validate(context, await specSources(context, command, files), output)),
    );
}

async function validate(context: CliContext, file: SpecSources, output: OutputFormat): Promise<void> {
  const schedules = await import('../../domain/schedule/describe.js');
  // A one-time start in the past is valid in a spec in force; only `apply` can find out whether it is.
  const loaded = await loadSource(context, file, { requireHostKeys: true, isNew: false });
  const clusters = loaded.clusters.map((cluster) => ({
    ...summarise(cluster, schedules.describeSchedule),
    works: worksOn(cluster.spec),
  }));
  // Before any output: a reader that closes the pipe ends the process.
  context.setExitCode(loaded.valid ? 0 : 2);
  if (output === 'json') {
    const listed = clusters.map(({ works: _, ...cluster }) => cluster);
    printJson(context, { valid: loaded.valid, clusters: listed, problems: loaded.problems });
    return;
  }
  printProblems(context, loaded.problems);
  for (const cluster of clusters) {
    const what =
      cluster.works === null ? 'listed, not patched' : `${cluster.works}, ${cluster.schedule ?? 'on demand only'}`;
    print(context, `${cluster.file}: cluster ${cluster.name} is valid (${cluster.type}, ${what})`);
  }
  if (!loaded.valid) reportError(context, invalidSpec(file, loaded.problems));
}

function summarise({ spec, file }: LoadedCluster, describe: typeof describeSchedule) {
  if (!('patching' in spec)) return { name: spec.name, type: spec.type, file, nodes: 0, schedule: null };
  const { schedule, timeZone } = spec.patching;
  const words = schedule === undefined ? null : describe(schedule, timeZone);
  const nodes = spec.type === 'self-managed' ? spec.nodes.length : 0;
  return { name: spec.name, type: spec.type, file, nodes, schedule: words };
}

/** `3 nodes`, `all node groups`; null for a cluster that is only listed. */
function worksOn(spec: ClusterSpec): string | null {
  if (!('patching' in spec)) return null;
  if (spec.type === 'self-managed') return spec.nodes.length === 1 ? '1 node' : `${spec.nodes.length} nodes`;
  const { nodeGroups } = spec.eks;
  if (nodeGroups === 'all') return 'all node groups';
  return nodeGroups.length === 1 ? '1 node group' : `${nodeGroups.length} node groups`;
}
