import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { WorkerPolicy } from '../../../domain/policy/types';
import { OspatchError } from '../../../domain/shared/errors';
import { show } from '../../../domain/spec/issues';
import type { ClusterSpec } from '../../../domain/spec/types';
import type { LoadedPolicy, PolicyProblem } from '../../../policy/read-policy';
import type { CliContext } from '../../io/context';
import { reportError, runCommand } from '../../io/errors';
import { colors, outputOption, print, printJson, printNote } from '../../io/output';
import type { OutputFormat } from '../../io/output';
import { withClient } from '../../options/session';
import { optionalFileOption, requireSpecs } from '../../options/spec-source';
import type { SpecSources } from '../../options/spec-source';
import { parseClusterName } from '../../options/arguments';

const EXAMPLES = `
Examples:
  ospatch policy validate /etc/ospatch/policy.yaml
  ospatch policy explain /etc/ospatch/policy.yaml -f prod-eu.yaml
  ospatch policy explain /etc/ospatch/policy.yaml prod-eu

A worker with OSPATCH_POLICY does only what the policy in this file allows, see docs/policy.md. ospatch doctor asks the
workers themselves.`;

const VALIDATE_EXAMPLES = `
Examples:
  ospatch policy validate /etc/ospatch/policy.yaml
  OSPATCH_POLICY=/etc/ospatch/policy.yaml ospatch policy validate -o json

Exit code 2 when the policy is not valid. A file that a worker here would not use because of its owner or mode is a warning,
so that a policy can be checked before it is installed.`;

const EXPLAIN_EXAMPLES = `
Examples:
  ospatch policy explain /etc/ospatch/policy.yaml -f prod-eu.yaml
  ospatch policy explain policy.yaml -f clusters/ -o json | jq '.clusters[].requests[] | select(.allowed | not)'
  ospatch policy explain prod-eu          # the policy of OSPATCH_POLICY, and the spec in force

For each request that the cluster will make: which rule allows it, and field by field what is denied. A name that a rule
allows only at addresses of a network is shown with it; no name is resolved here. Exit code 1 when something is denied.`;

export function registerPolicy(program: Command, context: CliContext): void {
  const policy = program
    .command('policy')
    .description('what workers may be asked for: check a policy file, or what it allows of a spec')
    .addHelpText('after', EXAMPLES);
  policy
    .command('validate')
    .description('check a policy, without any server: all problems at once, each with its location')
    .argument('[file]', 'policy file (default: OSPATCH_POLICY)')
    .addOption(outputOption())
    .addHelpText('after', VALIDATE_EXAMPLES)
    .action((file: string | undefined, { output }: { output: OutputFormat }) =>
      runCommand(context, () => validate(context, policyFile(context, file), output)),
    );
  policy
    .command('explain')
    .description('show what a policy allows of a spec, request by request, and what it denies')
    .argument('[name...]', 'policy file (default: OSPATCH_POLICY), and names of clusters that are applied')
    .addOption(optionalFileOption())
    .addOption(outputOption())
    .addHelpText('after', EXPLAIN_EXAMPLES)
    .action((names: string[], { output, file }: { output: OutputFormat; file?: string[] }, command: Command) =>
      runCommand(context, () => explain(context, command, { names, specs: file, output })),
    );
}

function policyFile(context: CliContext, file: string | undefined): string {
  const named = file ?? context.env['OSPATCH_POLICY'] ?? '';
  if (named !== '') return named;
  throw new OspatchError({
    type: 'Usage',
    message: 'no policy is named: neither as an argument nor by OSPATCH_POLICY',
    remedy: 'name the file, e.g. ospatch policy validate /etc/ospatch/policy.yaml',
  });
}

interface Read {
  loaded: LoadedPolicy | null;
  problems: PolicyProblem[];
  /** Why a worker here would not use the files. */
  untrusted: string[];
}

async function read(context: CliContext, file: string): Promise<Read> {
  const { readPolicy } = await import('../../../policy/read-policy.js');
  const untrusted: string[] = [];
  const { loaded, problems } = readPolicy(resolve(context.cwd, file), untrusted);
  return { loaded, problems, untrusted };
}

async function validate(context: CliContext, file: string, output: OutputFormat): Promise<void> {
  const { policyWarnings } = await import('../../../domain/policy/warnings.js');
  const { loaded, problems, untrusted } = await read(context, file);
  const warnings = [...(loaded === null ? [] : policyWarnings(loaded.policy)), ...untrusted];
  context.setExitCode(loaded === null ? 2 : 0);
  if (output === 'json') {
    const rules = loaded?.policy.rules.length ?? 0;
    printJson(context, { valid: loaded !== null, file, digest: loaded?.digest ?? null, rules, problems, warnings });
    return;
  }
  printProblemLines(context, file, problems, warnings);
  if (loaded === null) reportError(context, invalidPolicy(file, problems.length));
  else print(context, `${file}: the policy is valid (${contentsOf(loaded.policy)}, digest ${loaded.digest})`);
}

function printProblemLines(
  context: CliContext,
  file: string,
  problems: readonly PolicyProblem[],
  warnings: readonly string[],
): void {
  const color = colors(context, 'stderr');
  for (const { line, column, field, message } of problems) {
    const place = line === undefined ? file : `${file}:${line}:${column ?? 1}`;
    printNote(context, `${place}: ${field === '' ? '' : `${color.bold(field)}: `}${message}`);
  }
  for (const warning of warnings) printNote(context, `${file}: ${color.yellow('warning:')} ${warning}`);
}

function contentsOf({ rules, knownHosts, signers }: WorkerPolicy): string {
  const files = [knownHosts, signers].flatMap((name) => name ?? []);
  return [`${rules.length} ${rules.length === 1 ? 'rule' : 'rules'}`, ...files].join(', ');
}

function invalidPolicy(file: string, problems: number): OspatchError {
  return new OspatchError({
    type: 'InvalidSpec',
    message: `${file} is not a valid policy: ${problems} error${problems === 1 ? '' : 's'}`,
    remedy: 'correct the file; docs/policy.md explains its fields',
  });
}

interface ExplainOptions {
  names: readonly string[];
  specs: SpecSources | undefined;
  output: OutputFormat;
}

async function explain(context: CliContext, command: Command, { names, specs, output }: ExplainOptions): Promise<void> {
  const files = names.filter((name) => /[./]/.test(name));
  const clusters = names.filter((name) => !files.includes(name)).map(parseClusterName);
  if (files.length > 1) {
    throw new OspatchError({
      type: 'Usage',
      message: `found two policy files, ${show(files[0])} and ${show(files[1])}; allowed: one`,
      remedy: 'put -f before each further spec file',
    });
  }
  const file = policyFile(context, files[0]);
  if (specs === undefined && clusters.length === 0) {
    throw new OspatchError({
      type: 'Usage',
      message: 'no cluster is named: neither a spec with -f nor the name of a cluster',
      remedy: `ospatch policy explain ${file} -f SPEC`,
    });
  }
  const { loaded, problems, untrusted } = await read(context, file);
  printProblemLines(context, file, problems, untrusted);
  if (loaded === null) throw invalidPolicy(file, problems.length);
  const { knowsHost } = await import('../../../policy/targets.js');
  const { specRequests } = await import('../../../domain/policy/spec-requests.js');
  const { explainPolicy } = await import('../../../domain/policy/explain.js');
  const queue = context.env['OSPATCH_TASK_QUEUE'] ?? 'ospatch';
  const explained = (await specsOf(context, command, specs, clusters)).map((spec) =>
    explainPolicy(loaded.policy, spec, specRequests(spec, queue), knowsHost(loaded)),
  );
  context.setExitCode(explained.every(({ allowed }) => allowed) ? 0 : 1);
  if (output === 'json') return printJson(context, { file, digest: loaded.digest, clusters: explained });
  const { renderPolicy } = await import('../../render/policy.js');
  for (const one of explained) print(context, renderPolicy(one, colors(context)));
}

/** Host keys do not matter here: the policy decides without them, or by its own file. */
async function specsOf(
  context: CliContext,
  command: Command,
  specs: SpecSources | undefined,
  clusters: readonly string[],
): Promise<ClusterSpec[]> {
  const loaded =
    specs === undefined ? [] : (await requireSpecs(context, specs, { requireHostKeys: false, isNew: false })).clusters;
  if (clusters.length === 0) return loaded.map(({ spec }) => spec);
  return withClient(command, async (client) => {
    const applied: ClusterSpec[] = [];
    for (const cluster of clusters) applied.push(await client.spec(cluster));
    return [...loaded.map(({ spec }) => spec), ...applied];
  });
}
