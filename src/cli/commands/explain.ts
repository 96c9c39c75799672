import { Argument } from 'commander';
import type { Command } from 'commander';
import type { UnknownField } from '../../domain/spec/field-docs';
import { OspatchError, isOspatchError } from '../../domain/shared/errors';
import { show } from '../../domain/spec/issues';
import { nodeArgument, parseClusterName } from '../options/arguments';
import type { CliContext } from '../io/context';
import { runCommand } from '../io/errors';
import { colors, outputOption, print, printJson } from '../io/output';
import type { OutputFormat } from '../io/output';
import { withClient } from '../options/session';

const EXAMPLES = `
Examples:
  ospatch explain prod-eu
  ospatch explain prod-eu w-7
  ospatch explain prod-eu w-7 -o json | jq -r '.[] | [.kind, .because, .change[0]] | @tsv'
  ospatch explain patching.rollout.maxUnavailable
  ospatch explain --field nodes

Of a cluster: one sentence for each thing that does not happen, what weighs most first: why, since when, until when, and what
changes it. Of a field of the spec: its meaning, values, default, an example, and the fields below, without any server. A word
with a dot is a field, because no name of a cluster has one; --field is for fields of a single word, and --field spec for all.`;

interface ExplainOptions {
  field?: string;
  output: OutputFormat;
}

export function registerExplain(program: Command, context: CliContext): void {
  program
    .command('explain')
    .description('say why a cluster, its run or a node is not being patched; or what a field of the spec means')
    .addArgument(new Argument('[name]', 'name of the cluster, or a field of the spec such as patching.rollout'))
    .addArgument(nodeArgument('[node]'))
    .option('--field <path>', 'a field of the spec, also one of a single word')
    .addOption(outputOption())
    .addHelpText('after', EXAMPLES)
    .action((name: string | undefined, node: string | undefined, options: ExplainOptions, command: Command) =>
      runCommand(context, async () => {
        const { output } = options;
        const path = options.field ?? (name !== undefined && /[.[]/.test(name) ? name : undefined);
        if (path === undefined && name !== undefined) return explainCluster(context, command, { name, node, output });
        if (path !== undefined && (options.field === undefined ? node : name) === undefined) {
          return explainSpecField(context, path, output);
        }
        throw new OspatchError({
          type: 'Usage',
          message: `found ${name === undefined ? 'neither the name of a cluster nor a field' : 'both a name and a field'}; allowed: one of them`,
          remedy: 'ospatch explain NAME [NODE], or ospatch explain --field patching; --field spec lists all fields',
        });
      }),
    );
}

async function explainCluster(
  context: CliContext,
  command: Command,
  { name, node, output }: { name: string; node: string | undefined; output: OutputFormat },
): Promise<void> {
  const cluster = parseClusterName(name);
  const found = await withClient(command, async (client) => {
    if (output === 'json') return client.explain(cluster, node);
    const { formatTime, ownZone } = await import('../render/text.js');
    const zone = ownZone();
    return client.explain(cluster, node, (iso) => formatTime(iso, zone));
  }).catch((error: unknown) => orField(error, cluster));
  if (output === 'json') return printJson(context, found);
  const { renderExplanations } = await import('../render/explain.js');
  const { ownZone } = await import('../render/text.js');
  print(context, renderExplanations(found, { now: context.now(), zone: ownZone(), color: colors(context) }));
}

/** A name that is no cluster may be a field. */
async function orField(error: unknown, word: string): Promise<never> {
  if (!isOspatchError(error) || error.type !== 'NotFound') throw error;
  const { explainField } = await import('../../domain/spec/field-docs.js');
  if (!Array.isArray(explainField(word))) throw error;
  throw new OspatchError({ ...error.toInfo(), remedy: `for the field of the spec: ospatch explain --field ${word}` });
}

async function explainSpecField(context: CliContext, path: string, output: OutputFormat): Promise<void> {
  const { explainField } = await import('../../domain/spec/field-docs.js');
  const found = explainField(path);
  if (!Array.isArray(found)) throw unknownField(path, found);
  if (output === 'json') return printJson(context, found);
  const { renderField } = await import('../render/field.js');
  print(context, found.map((doc) => renderField(doc, colors(context))).join('\n\n'));
}

function unknownField(path: string, { parent, key, suggestion, allowed }: UnknownField): OspatchError {
  const where = parent === '' ? 'the spec' : parent;
  return new OspatchError({
    type: 'Usage',
    message: `found ${show(path)}: ${where} has no field ${show(key)}${allowed.length === 0 ? ', nor any other' : `; allowed: ${allowed.join(', ')}`}`,
    remedy:
      suggestion === null
        ? `ospatch explain --field ${parent === '' ? 'spec' : parent} lists the fields`
        : `did you mean ospatch explain --field ${suggestion}?`,
  });
}
