import { Option } from 'commander';
import type { Command } from 'commander';
import { userOption } from '../../options/arguments';
import type { CliContext } from '../../io/context';
import { runCommand } from '../../io/errors';
import type { NodeResult } from './on-nodes';
import type { TargetOptions } from './targets';
import { colors, outputOption, print, printJson, printNote } from '../../io/output';
import type { OutputFormat } from '../../io/output';
import { ListOption } from '../../options/repeated';
import { portFrom } from '../../options/port';
import { moreFilesArgument, optionalFileOption, specSources, specsNeedOption } from '../../options/spec-source';
import { asSentence } from '../../../domain/shared/text';
import { defined } from '../../../domain/shared/defined';
import type { ErrorInfo } from '../../../domain/shared/errors';
import type { NodeTarget } from '../../../domain/spec/types';
import type { Transport } from '../../../ssh/transport';

const EXAMPLES = `
Examples:
  ospatch helper install -f prod-eu.yaml --user admin
  ospatch helper prune -f prod-eu.yaml --user admin --dry-run
  ospatch helper print --installer | ssh admin@node sudo sh`;

const PRINT_EXAMPLES = `
Examples:
  ospatch helper print > ospatch-node
  ospatch helper print --path
  ospatch helper print --installer | ssh admin@node sudo sh     # installs it; also for configuration management`;

const INSTALL_EXAMPLES = `
Examples:
  ospatch helper install -f prod-eu.yaml --user admin --identity ~/.ssh/id_ed25519
  ospatch helper install -f prod-eu.yaml --node worker-1 --node worker-2 --user root
  ospatch helper install --host 10.0.0.12 --user admin --known-hosts ~/.ssh/known_hosts

For nodes with ssh.helper: preinstalled. It connects from here, not from the worker, and the user must be root or have
full sudo -n rights. With -f, user and key are those of the spec unless given; the key is looked up in OSPATCH_KEY_DIR
(default: keys in
~/.config/ospatch, as root in /etc/ospatch). Host keys are verified as in a run. Each version of ospatch has its own helper; older ones stay until they
are removed (ospatch helper prune).`;

const PRUNE_EXAMPLES = `
Examples:
  ospatch helper prune -f prod-eu.yaml --user admin --dry-run
  ospatch helper prune -f prod-eu.yaml --user admin --node worker-1
  ospatch helper prune --host 10.0.0.12 --user root

Removes the helpers that were placed before the one of this version, their copies in /var/lib/ospatch/bin and their files
in /etc/sudoers.d and /etc/doas.d. A helper that a job uses stays, and so does one that was placed later. Do this when no
worker has an older version. It connects like ospatch helper install.`;

export function registerHelper(program: Command, context: CliContext): void {
  const helper = program
    .command('helper')
    .description('the script that ospatch runs on nodes: print or install it')
    .addHelpText('after', EXAMPLES);
  helper
    .command('print')
    .description('print the helper of this version, or what identifies it')
    .addOption(new Option('--digest', 'its SHA-256 instead').conflicts(['path', 'installer']))
    .addOption(new Option('--path', 'its path on a node instead').conflicts(['digest', 'installer']))
    .addOption(
      new Option('--installer', 'a script that installs it, to be run as root on a node').conflicts(['digest', 'path']),
    )
    .addOption(outputOption())
    .addHelpText('after', PRINT_EXAMPLES)
    .action((options: PrintOptions) => runCommand(context, () => printHelper(context, options)));
  onTargets(helper.command('install'), context, install)
    .description('install the helper on nodes, with the rights of an administrator')
    .addHelpText('after', INSTALL_EXAMPLES);
  onTargets(helper.command('prune'), context, prune)
    .description('remove the helpers of earlier versions from nodes, with the rights of an administrator')
    .option('--dry-run', 'only list what would be removed')
    .addHelpText('after', PRUNE_EXAMPLES);
}

/** Adds the options that say which nodes, and how to log in there. */
function onTargets<T extends InstallOptions>(
  command: Command,
  context: CliContext,
  action: (context: CliContext, options: T) => Promise<void>,
): Command {
  return command
    .addArgument(moreFilesArgument())
    .addOption(optionalFileOption())
    .addOption(nodesOfSpec())
    .option('--host <host>', 'a single machine instead of a spec')
    .addOption(new Option('--port <port>', 'SSH port of --host').default(22).argParser(portFrom(1)))
    .addOption(userOption('log in as this user, root or with full sudo -n'))
    .option('--identity <file>', 'private key file, or agent (default: of the spec; agent with --host)')
    .option('--known-hosts <file>', 'trusted host keys for --host (default: ~/.ssh/known_hosts)')
    .addOption(outputOption())
    .action((files: string[], options: T) =>
      runCommand(context, async () => {
        const file = options.file === undefined ? undefined : await specSources(context, command, files);
        if (file === undefined && files.length > 0) throw specsNeedOption(command, files);
        await action(context, { ...options, ...defined({ file }) });
      }),
    );
}

interface PrintOptions {
  digest?: boolean;
  path?: boolean;
  installer?: boolean;
  output: OutputFormat;
}

type InstallOptions = TargetOptions & { output: OutputFormat };
type PruneOptions = InstallOptions & { dryRun?: boolean };

function nodesOfSpec(): Option {
  return new ListOption('--node <name>', 'only this node of the spec; may be given several times')
    .default([])
    .argParser((name, earlier: string[]) => [...earlier, name]);
}

async function printHelper(context: CliContext, options: PrintOptions): Promise<void> {
  const { HELPER_PROTOCOL, helperScript } = await import('../../../node/helper/script.js');
  const { installerScript } = await import('../../../node/installer.js');
  const helper = helperScript();
  const { digest, path, content } = helper;
  if (options.output === 'json') {
    printJson(context, { digest, path, protocol: HELPER_PROTOCOL, bytes: content.length });
  } else if (options.digest === true) print(context, digest);
  else if (options.path === true) print(context, path);
  else print(context, options.installer === true ? installerScript(helper) : content.toString());
}

async function install(context: CliContext, options: InstallOptions): Promise<void> {
  const { helperScript } = await import('../../../node/helper/script.js');
  const { installHelper } = await import('../../../node/install.js');
  const helper = helperScript();
  const { path, digest } = helper;
  const results = await eachTarget(context, options, async (target, transport) => {
    await installHelper(target, transport, helper);
    return path;
  });
  if (options.output === 'json') {
    return printJson(context, { path, digest, nodes: results.map(({ node, error }) => ({ node, error })) });
  }
  for (const { node, error } of results) {
    if (error === null) print(context, `${node}: installed ${path}`);
    else printError(context, error);
  }
}

async function prune(context: CliContext, options: PruneOptions): Promise<void> {
  const { helperScript } = await import('../../../node/helper/script.js');
  const { pruneHelpers } = await import('../../../node/prune.js');
  const helper = helperScript();
  const { dryRun = false } = options;
  const results = await eachTarget(context, options, (target, transport) =>
    pruneHelpers(target, transport, helper, dryRun),
  );
  if (options.output === 'json') {
    const nodes = results.map(({ node, value, error }) => ({
      node,
      removed: value?.removed ?? [],
      kept: value?.kept ?? [],
      error,
    }));
    return printJson(context, { path: helper.path, dryRun, nodes });
  }
  for (const { node, value, error } of results) {
    if (error !== null) printError(context, error);
    if (value === null) continue;
    for (const path of value.removed) print(context, `${node}: ${dryRun ? 'would remove' : 'removed'} ${path}`);
    for (const { path, reason } of value.kept) print(context, `${node}: kept ${path}: ${KEPT[reason]}`);
    if (value.removed.length + value.kept.length === 0) print(context, `${node}: nothing to remove`);
  }
}

const KEPT = { newer: 'placed after the one of this version', 'in-use': 'a process was started from it' } as const;

async function eachTarget<T>(
  context: CliContext,
  options: TargetOptions,
  act: (target: NodeTarget, transport: Transport) => Promise<T>,
): Promise<NodeResult<T>[]> {
  const { helperTargets } = await import('./targets.js');
  const { onNodes } = await import('./on-nodes.js');
  const { parsePassphraseCommand } = await import('../../../ssh/builtin/passphrase.js');
  const { nodes, keyDir } = await helperTargets(context, options);
  const passphraseCommand = parsePassphraseCommand(context.env['OSPATCH_PASSPHRASE_COMMAND']);
  const cryptoPolicy = context.env['OSPATCH_SSH_INCLUDE'];
  const results = await onNodes(nodes, { keyDir, ...defined({ passphraseCommand, cryptoPolicy }) }, act);
  if (results.some(({ error }) => error !== null)) context.setExitCode(1);
  return results;
}

function printError(context: CliContext, { message, remedy }: ErrorInfo): void {
  const color = colors(context, 'stderr');
  printNote(context, `${color.red('error:')} ${asSentence(message)}`);
  if (remedy !== undefined) printNote(context, `  ${color.bold('fix:')} ${remedy}`);
}
