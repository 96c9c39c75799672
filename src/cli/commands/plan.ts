import type { Command } from 'commander';
import type { EksPlan } from '../../domain/eks/plan';
import type { RunPlan } from '../../domain/run/plan';
import { defined } from '../../domain/shared/defined';
import { OspatchError } from '../../domain/shared/errors';
import type { ClusterSpec } from '../../domain/spec/types';
import { nodesOption, selectorOption } from '../options/arguments';
import { withClient } from '../options/session';
import { nameOrFilesArgument, nameOrSources, optionalFileOption, requireSpecs } from '../options/spec-source';
import type { SpecSources } from '../options/spec-source';
import { sourcesInCommand } from '../../client/load/sources';
import type { CliContext } from '../io/context';
import { runCommand } from '../io/errors';
import { colors, outputOption, print, printJson } from '../io/output';
import type { OutputFormat } from '../io/output';

const EXAMPLES = `
Examples:
  ospatch plan prod-eu
  ospatch plan prod-eu --now -l zone=a
  ospatch plan -f prod-eu.yaml
  ospatch plan eks-prod --nodes blue,green
  ospatch plan prod-eu -o json | jq '.nodes[] | select(.outcome == "failed") | {node, reason}'

Inspects the nodes through the workers and changes nothing, so packages are those of the package lists that are on the nodes,
and a run, which refreshes the lists first, may find more. Of an EKS cluster, AWS is asked in read-only calls for which node
groups it would be asked for an update. With a schedule this is the plan of the next window, with --now,
--nodes or -l that of a run that is requested now. The exit code is 1 when a node would fail or not be reached, or the cluster
would not begin a run.`;

interface CommandOptions {
  nodes?: string[];
  selector?: string;
  now?: boolean;
  all?: boolean;
  output: OutputFormat;
}

export function registerPlan(program: Command, context: CliContext): void {
  program
    .command('plan')
    .description('show what the next run would do, node by node, and when; changes nothing')
    .addArgument(nameOrFilesArgument('name of the cluster; default: that of the spec'))
    .addOption(optionalFileOption())
    .addOption(nodesOption())
    .addOption(selectorOption())
    .option('--now', 'as if the run were requested now')
    .option('--all', 'list every node of a large cluster')
    .addOption(outputOption())
    .addHelpText('after', EXAMPLES)
    .action((args: string[], options: CommandOptions, command: Command) =>
      runCommand(context, () => plan(context, command, args, options)),
    );
}

async function plan(
  context: CliContext,
  command: Command,
  args: readonly string[],
  { output, all = false, ...options }: CommandOptions,
): Promise<void> {
  const { name, file } = nameOrSources(command, args);
  const spec = file === undefined ? null : await onlySpec(context, file, name);
  const cluster = spec?.name ?? name;
  if (cluster === undefined) {
    throw new OspatchError({
      type: 'Usage',
      message: 'neither the name of a cluster nor a spec is given',
      remedy: 'use `ospatch plan NAME` for a cluster that is applied, or `ospatch plan -f FILE` for a spec',
    });
  }
  await withClient(command, async (client) => {
    const planned = await client.plan(cluster, defined(options), spec);
    if (!isClear(planned)) context.setExitCode(1);
    if (output === 'json') return printJson(context, planned);
    const { ownZone } = await import('../render/text.js');
    const view = { zone: ownZone(), color: colors(context), all };
    if (isOfNodes(planned)) {
      const { renderPlan } = await import('../render/plan.js');
      return print(context, renderPlan(planned, view));
    }
    const { renderEksPlan } = await import('../render/eks-plan.js');
    print(context, renderEksPlan(planned, view));
  });
}

function isOfNodes(plan: RunPlan | EksPlan): plan is RunPlan {
  return 'nodes' in plan;
}

function isClear(plan: RunPlan | EksPlan): boolean {
  if (plan.blockers.length > 0) return false;
  return isOfNodes(plan)
    ? plan.nodes.every(({ outcome }) => outcome !== 'failed' && outcome !== null)
    : plan.groups.every(({ outcome }) => outcome !== 'failed');
}

async function onlySpec(context: CliContext, file: SpecSources, name: string | undefined): Promise<ClusterSpec> {
  const { specs } = await requireSpecs(context, file, { requireHostKeys: true });
  const chosen = name === undefined ? specs : specs.filter((spec) => spec.name === name);
  const [first] = chosen;
  if (first !== undefined && chosen.length === 1) return first;
  throw new OspatchError({
    type: 'Usage',
    message:
      name === undefined
        ? `${sourcesInCommand(file)} has ${specs.length} specs, and a plan is of one cluster`
        : `${sourcesInCommand(file)} has no spec of the name ${name}`,
    remedy: `name one of them: ${specs.map((one) => one.name).join(', ')}`,
  });
}
